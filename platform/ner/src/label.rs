//! The kinds of entities.

use std::fmt;

macro_rules! labels {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What an entity is: the eighteen types of OntoNotes 5
        /// (<https://catalog.ldc.upenn.edu/docs/LDC2013T19/OntoNotes-Release-5.0.pdf>).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Label {
            $($(#[$doc])* $variant,)*
        }

        impl Label {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in OntoNotes and in spaCy.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

labels! {
    /// A number that is nothing of the other kinds.
    Cardinal = "CARDINAL",
    /// A date or a period of a day or more.
    Date = "DATE",
    /// A named storm, battle, war, sports event.
    Event = "EVENT",
    /// A building, airport, road, bridge.
    Facility = "FAC",
    /// A country, city or state.
    Place = "GPE",
    /// A language.
    Language = "LANGUAGE",
    /// A document made into law.
    Law = "LAW",
    /// A mountain range, a body of water, a region.
    Location = "LOC",
    /// An amount of money, with its unit.
    Money = "MONEY",
    /// A nationality, a religious or political group.
    Group = "NORP",
    /// "first", "second".
    Ordinal = "ORDINAL",
    /// A company, agency, institution.
    Organization = "ORG",
    /// A percentage.
    Percent = "PERCENT",
    /// A person.
    Person = "PERSON",
    /// An object, vehicle, food; no service.
    Product = "PRODUCT",
    /// A measurement, as of weight or distance.
    Quantity = "QUANTITY",
    /// A time shorter than a day.
    Time = "TIME",
    /// The title of a book, a song.
    WorkOfArt = "WORK_OF_ART",
}

impl Label {
    /// The label of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|label| label.name() == name)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
