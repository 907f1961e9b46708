//! What is said before a name.

use std::sync::LazyLock;

use foldhash::HashMap;

/// What a cue asks of the word behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strength {
    /// Any word that is not common.
    Strong,
    /// A word in capitals that is not common.
    Weak,
    /// A word in capitals that is no word of English and no place.
    Named,
    /// A given name, or two words in capitals.
    Faint,
}

/// The cues.
const CUES: &[(&[&str], Strength)] = &[
    (&["my", "name", "is"], Strength::Strong),
    (&["my", "name", "s"], Strength::Strong),
    (&["my", "first", "name", "is"], Strength::Strong),
    (&["my", "last", "name", "is"], Strength::Strong),
    (&["my", "full", "name", "is"], Strength::Strong),
    (&["first", "name", "is"], Strength::Strong),
    (&["last", "name", "is"], Strength::Strong),
    (&["first", "name"], Strength::Weak),
    (&["last", "name"], Strength::Weak),
    (&["surname", "is"], Strength::Strong),
    (&["the", "name", "is"], Strength::Strong),
    (&["the", "name", "of"], Strength::Weak),
    (&["under", "the", "name"], Strength::Strong),
    (&["name", "s"], Strength::Weak),
    (&["name", "is"], Strength::Weak),
    (&["under"], Strength::Faint),
    (&["speaking", "with"], Strength::Weak),
    (&["speaking", "to"], Strength::Weak),
    (&["speak", "with"], Strength::Weak),
    (&["speak", "to"], Strength::Weak),
    (&["talk", "to"], Strength::Weak),
    (&["talking", "to"], Strength::Weak),
    (&["talking", "with"], Strength::Weak),
    (&["this", "is"], Strength::Weak),
    (&["i", "m"], Strength::Weak),
    (&["i", "am"], Strength::Weak),
    (&["mr"], Strength::Weak),
    (&["mrs"], Strength::Weak),
    (&["ms"], Strength::Weak),
    (&["mister"], Strength::Weak),
    (&["missus"], Strength::Weak),
    (&["miss"], Strength::Weak),
    (&["dr"], Strength::Weak),
    (&["doctor"], Strength::Weak),
    (&["professor"], Strength::Weak),
    (&["thanks"], Strength::Weak),
    (&["thank", "you"], Strength::Weak),
    (&["thanks", "again"], Strength::Weak),
    (&["hi"], Strength::Weak),
    (&["hello"], Strength::Weak),
    (&["hey"], Strength::Weak),
    (&["good", "morning"], Strength::Weak),
    (&["good", "afternoon"], Strength::Weak),
    (&["good", "evening"], Strength::Weak),
    (&["goodbye"], Strength::Weak),
    (&["bye"], Strength::Weak),
    (&["dear"], Strength::Weak),
    (&["calls", "me"], Strength::Named),
    (&["call", "me"], Strength::Named),
    (&["named", "him"], Strength::Named),
    (&["named", "her"], Strength::Named),
    (&["kid"], Strength::Named),
    (&["child"], Strength::Named),
    (&["tell"], Strength::Named),
    (&["told"], Strength::Named),
    (&["ask"], Strength::Named),
    (&["ask", "for"], Strength::Named),
    (&["written", "by"], Strength::Named),
    (&["signed", "by"], Strength::Named),
    (&["painted", "by"], Strength::Named),
    (&["married", "to"], Strength::Named),
    (&["asked"], Strength::Named),
    (&["call"], Strength::Named),
    (&["met"], Strength::Named),
    (&["meet"], Strength::Named),
    (&["invite"], Strength::Named),
    (&["inform"], Strength::Named),
    (&["remind"], Strength::Named),
    (&["hire"], Strength::Named),
    (&["friend"], Strength::Named),
    (&["father"], Strength::Named),
    (&["mother"], Strength::Named),
    (&["brother"], Strength::Named),
    (&["sister"], Strength::Named),
    (&["patient"], Strength::Named),
    (&["pt"], Strength::Named),
    (&["client"], Strength::Named),
    (&["neighbor"], Strength::Named),
    (&["neighbour"], Strength::Named),
    (&["boss"], Strength::Named),
    (&["wife"], Strength::Named),
    (&["husband"], Strength::Named),
    (&["son"], Strength::Named),
    (&["daughter"], Strength::Named),
    (&["spoke", "to"], Strength::Named),
    (&["spoke", "with"], Strength::Named),
    (&["regards"], Strength::Named),
    (&["sincerely"], Strength::Named),
    (&["okay"], Strength::Named),
    (&["ok"], Strength::Named),
    (&["attn"], Strength::Named),
    (&["name"], Strength::Named),
    (&["welcome"], Strength::Faint),
    (&["sorry"], Strength::Faint),
    (&["it", "s"], Strength::Faint),
    (&["it", "is"], Strength::Faint),
    (&["is", "this"], Strength::Faint),
    (&["called"], Strength::Faint),
    (&["named"], Strength::Faint),
    (&["wife"], Strength::Faint),
    (&["husband"], Strength::Faint),
    (&["son"], Strength::Faint),
    (&["daughter"], Strength::Faint),
    (&["manager"], Strength::Faint),
    (&["supervisor"], Strength::Faint),
    (&["colleague"], Strength::Faint),
    (&["okay"], Strength::Faint),
    (&["alright"], Strength::Faint),
    (&["perfect"], Strength::Faint),
    (&["great"], Strength::Faint),
    (&["yes"], Strength::Faint),
    (&["and"], Strength::Faint),
    (&["with"], Strength::Faint),
    (&["for"], Strength::Faint),
    (&["from"], Strength::Faint),
];

/// The words of a cue after the first, and what it asks.
pub(super) type Rest = (&'static [&'static str], Strength);

/// The cues by their first word.
pub(super) static CUES_BY_WORD: LazyLock<HashMap<&'static str, Vec<Rest>>> = LazyLock::new(|| {
    let mut map: HashMap<&'static str, Vec<Rest>> = HashMap::default();
    for (cue, strength) in CUES {
        if let [first, rest @ ..] = *cue {
            map.entry(first).or_default().push((rest, *strength));
        }
    }
    map
});
