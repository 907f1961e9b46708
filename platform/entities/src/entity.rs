//! What a recognizer finds: a candidate, and the names of the entity types.

/// The entity types, in the words of Presidio and OntoNotes where they have one.
pub mod types {
    /// A person's age.
    pub const AGE: &str = "AGE";
    /// A payment card number, whole or in part.
    pub const CREDIT_CARD: &str = "CREDIT_CARD";
    /// When a payment card expires.
    pub const CREDIT_CARD_EXPIRATION: &str = "CREDIT_CARD_EXPIRATION";
    /// The security code of a payment card.
    pub const CVV: &str = "CVV";
    /// When a person was born.
    pub const DATE_OF_BIRTH: &str = "DATE_OF_BIRTH";
    /// A calendar date.
    pub const DATE: &str = "DATE";
    /// An e-mail address, written or spoken.
    pub const EMAIL_ADDRESS: &str = "EMAIL_ADDRESS";
    /// An international bank account number.
    pub const IBAN_CODE: &str = "IBAN_CODE";
    /// An IPv4 or IPv6 address.
    pub const IP_ADDRESS: &str = "IP_ADDRESS";
    /// A vehicle's registration plate.
    pub const LICENSE_PLATE: &str = "LICENSE_PLATE";
    /// An amount of money.
    pub const MONEY: &str = "MONEY";
    /// A long number that nothing says more about.
    pub const NUMBER: &str = "NUMBER";
    /// A password, PIN, one-time code or the answer to a security question.
    pub const PASSWORD: &str = "PASSWORD";
    /// A person's name.
    pub const PERSON: &str = "PERSON";
    /// A telephone number.
    pub const PHONE_NUMBER: &str = "PHONE_NUMBER";
    /// An order, case, policy, claim, account, booking or similar number.
    pub const REFERENCE_NUMBER: &str = "REFERENCE_NUMBER";
    /// A postal address from the house number on.
    pub const STREET_ADDRESS: &str = "STREET_ADDRESS";
    /// A web address.
    pub const URL: &str = "URL";
    /// A bank account or routing number.
    pub const US_BANK_NUMBER: &str = "US_BANK_NUMBER";
    /// A driver's license number.
    pub const US_DRIVER_LICENSE: &str = "US_DRIVER_LICENSE";
    /// A passport number.
    pub const US_PASSPORT: &str = "US_PASSPORT";
    /// A social security number, whole or its last four digits.
    pub const US_SSN: &str = "US_SSN";
    /// A vehicle identification number.
    pub const VIN: &str = "VIN";
    /// A postal code.
    pub const ZIP_CODE: &str = "ZIP_CODE";
}

/// A stretch of one turn's text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    /// Index of the turn.
    pub(crate) turn: usize,
    /// First byte.
    pub(crate) start: usize,
    /// Byte after the last.
    pub(crate) end: usize,
}

impl Part {
    /// Whether the two share a byte.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.turn == other.turn && self.start < other.end && other.start < self.end
    }
}

/// How sure a recognizer is. The three classes that [`crate::overlap`] compares are the tenths
/// from 0.9 (checked), from 0.7 (said to be so, or of a form of its own) and below (looks like it).
pub(crate) mod score {
    /// A checksum holds, or the form admits nothing else.
    pub(crate) const CHECKED: f32 = 0.98;
    /// A form of its own, such as `03/14/1982`.
    pub(crate) const FORM: f32 = 0.85;
    /// The words before it say what it is.
    pub(crate) const CONTEXT: f32 = 0.8;
    /// The words before it say what it is, but its length is wrong.
    pub(crate) const PARTIAL: f32 = 0.7;
    /// It looks like one.
    pub(crate) const LOOKS: f32 = 0.6;
    /// It is a number and no more is known.
    pub(crate) const BARE: f32 = 0.4;
}

/// What a recognizer claims: these stretches are one entity.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// One of [`types`].
    pub(crate) entity_type: &'static str,
    /// The canonical value.
    pub(crate) value: String,
    /// How sure, see [`score`].
    pub(crate) score: f32,
    /// The recognizer's name.
    pub(crate) recognizer: &'static str,
    /// Where: one stretch per turn, in order.
    pub(crate) parts: Vec<Part>,
}

impl Candidate {
    /// How many bytes it covers.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.end - part.start).sum()
    }
}
