//! What a recognizer finds: a candidate, and the names of the entity types.

/// The entity types.
///
/// A type has the name that Presidio gives it, where Presidio has one. Where a type is a special
/// case of another, the special one is told: a date of birth is no `DATE_TIME` besides, and the
/// town in an address is no `LOCATION` besides. [`general`] says what a special type is a case of.
pub mod types {
    macro_rules! types {
        ($($(#[doc = $doc:literal])* $name:ident,)*) => {
            $($(#[doc = $doc])* pub const $name: &str = stringify!($name);)*

            /// All types with what they are, one sentence each, by name.
            pub const ALL: &[(&str, &str)] = &[$(($name, concat!($($doc),*)),)*];
        };
    }

    types! {
        /// A person's age, without the unit.
        AGE,
        /// A payment card number, whole or in part.
        CREDIT_CARD,
        /// When a payment card expires.
        CREDIT_CARD_EXPIRATION,
        /// The address of a cryptocurrency's wallet.
        CRYPTO,
        /// The security code of a payment card.
        CVV,
        /// When a person was born.
        DATE_OF_BIRTH,
        /// A calendar date, a day of the week, a time of the day.
        DATE_TIME,
        /// An e-mail address, written or spoken.
        EMAIL_ADDRESS,
        /// An international bank account number.
        IBAN_CODE,
        /// An IPv4 or IPv6 address.
        IP_ADDRESS,
        /// A vehicle's registration plate.
        LICENSE_PLATE,
        /// A country, city, state, region, building or natural place, outside of an address.
        LOCATION,
        /// The hardware address of a network device.
        MAC_ADDRESS,
        /// A US drug enforcement (DEA) number of a doctor or pharmacy.
        MEDICAL_LICENSE,
        /// An amount of money.
        MONEY,
        /// A nationality, a religious or political group.
        NRP,
        /// A long number that nothing says more about.
        NUMBER,
        /// A company, agency, institution.
        ORGANIZATION,
        /// A password, PIN, one-time code or the answer to a security question.
        PASSWORD,
        /// A person's name, without a title.
        PERSON,
        /// A telephone number.
        PHONE_NUMBER,
        /// An order, case, policy, claim, account, booking or similar number.
        REFERENCE_NUMBER,
        /// A postal address: the street with its number, and what of city and country follows.
        STREET_ADDRESS,
        /// The code of a bank in international transfers (BIC).
        SWIFT_CODE,
        /// What comes before a name: Mr., Dr., Frau.
        TITLE,
        /// A number of Britain's National Health Service.
        UK_NHS,
        /// A web address or the name of a domain.
        URL,
        /// The name of a user's account, or a handle.
        USERNAME,
        /// A bank account or routing number.
        US_BANK_NUMBER,
        /// A driver's license number.
        US_DRIVER_LICENSE,
        /// An individual taxpayer identification number.
        US_ITIN,
        /// A passport number.
        US_PASSPORT,
        /// A social security number, whole or its last four digits.
        US_SSN,
        /// A vehicle identification number.
        VIN,
        /// A postal code, outside of an address.
        ZIP_CODE,
    }

    /// The more general type of which a type is a special case.
    pub fn general(entity_type: &str) -> Option<&'static str> {
        match entity_type {
            CREDIT_CARD_EXPIRATION | DATE_OF_BIRTH => Some(DATE_TIME),
            STREET_ADDRESS | ZIP_CODE => Some(LOCATION),
            _ => None,
        }
    }
}

/// A stretch of one turn's text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// The model says so.
    pub(crate) const MODEL: f32 = 0.62;
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
