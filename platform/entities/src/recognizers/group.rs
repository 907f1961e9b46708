//! Nationalities and faiths that the model does not see, by a list.

use super::{Found, Scene};
use crate::entity::{score, types};
use crate::text::Strand;
use crate::words;

/// First words of the adjectives of two words.
const FIRSTS: &[(&str, &str)] = &[
    ("south", "african"),
    ("south", "american"),
    ("south", "korean"),
    ("north", "korean"),
    ("north", "american"),
    ("north", "african"),
    ("west", "african"),
    ("latin", "american"),
    ("central", "american"),
    ("central", "african"),
    ("african", "american"),
    ("native", "american"),
    ("cape", "verdean"),
    ("costa", "rican"),
    ("puerto", "rican"),
    ("sri", "lankan"),
    ("new", "zealander"),
    ("new", "zealanders"),
    ("sierra", "leonean"),
    ("saudi", "arabian"),
    ("equatorial", "guinean"),
    ("east", "timorese"),
    ("san", "marinese"),
    ("papua", "guinean"),
    ("saint", "lucian"),
    ("st", "lucian"),
    ("northern", "irish"),
    ("middle", "eastern"),
    ("social", "democrat"),
    ("christian", "democrat"),
    ("liberal", "democrat"),
    ("greek", "orthodox"),
    ("russian", "orthodox"),
    ("roman", "catholic"),
];

/// The adjectives of the member states of the United Nations, of larger faiths and parties.
const GROUPS: &str = "afghan albanian algerian american andorran angolan argentine argentinian \
    armenian australian austrian azerbaijani bahamian bahraini bangladeshi barbadian belarusian \
    belgian belizean beninese bhutanese bolivian bosnian brazilian british bruneian bulgarian \
    burmese burundian cambodian cameroonian canadian chadian chilean chinese colombian congolese \
    croatian cuban cypriot czech danish djiboutian dominican dutch ecuadorian egyptian emirati \
    english eritrean estonian ethiopian fijian filipino finnish french gabonese gambian georgian \
    german ghanaian greek grenadian guatemalan guinean guyanese haitian honduran hungarian \
    icelandic indian indonesian iranian iraqi irish israeli italian ivorian jamaican japanese \
    jordanian kazakh kenyan korean kuwaiti kyrgyz laotian latvian lebanese liberian libyan \
    lithuanian luxembourgish macedonian malagasy malawian malaysian maldivian malian maltese \
    mauritanian mauritian mexican moldovan mongolian montenegrin moroccan mozambican namibian \
    nepalese nepali nicaraguan nigerian nigerien norwegian omani pakistani palestinian panamanian \
    paraguayan persian peruvian polish portuguese qatari romanian russian rwandan salvadoran \
    samoan saudi scottish senegalese serbian singaporean slovak slovakian slovenian somali \
    spanish sudanese surinamese swedish swiss syrian taiwanese tajik tanzanian thai tibetan \
    togolese tongan tunisian turkish turkmen ugandan ukrainian uruguayan uzbek venezuelan \
    vietnamese welsh yemeni zambian zimbabwean african asian european hispanic latino latina \
    catholic protestant lutheran methodist baptist anglican mormon jewish muslim islamic hindu \
    buddhist sikh christian atheist republican democrat communist socialist \
    americans canadians germans russians italians mexicans indians catholics protestants muslims \
    hindus buddhists sikhs christians jews republicans democrats africans asians europeans \
    algerians argentines argentinians australians austrians belgians brazilians britons \
    bulgarians canadians chileans colombians croats cubans czechs danes egyptians finns georgians \
    greeks hungarians icelanders iranians iraqis israelis jamaicans jordanians kenyans koreans kurds \
    latvians lithuanians malaysians moroccans nigerians norwegians pakistanis peruvians poles \
    romanians scots serbs slovaks slovenes slovenians spaniards swedes syrians thais tunisians turks \
    ukrainians venezuelans frenchman frenchmen frenchwoman englishman englishmen englishwoman \
    irishman irishmen irishwoman dutchman dutchmen dutchwoman welshman welshmen scotsman scotsmen \
    arab arabs chechen kurdish basque catalan flemish scandinavian sicilian bavarian tatar \
    botswanan burkinabe comoran cypriots monegasque liechtensteiner nauruan palauan tuvaluan \
    vincentian trinidadian antiguan kittitian lesothan swazi montenegrins macedonians mozambicans \
    greenlander greenlandic faroese hawaiian \
    hinduism islam christianity judaism buddhism sikhism catholicism";

static SET: std::sync::LazyLock<foldhash::HashSet<&'static str>> =
    std::sync::LazyLock::new(|| GROUPS.split_whitespace().collect());

/// Whether a word, in lower case, is a nationality, a faith or a party, or its plural.
pub(crate) fn is_group(lower: &str) -> bool {
    let one = lower.strip_suffix('s').filter(|one| one.ends_with("an"));
    SET.contains(lower) || one.is_some_and(|one| SET.contains(one))
}

/// Whether a word is a nationality behind the one before it only: `Sri Lankan`.
fn is_second(strand: &Strand<'_>, at: usize) -> bool {
    let lower = strand.lower(at);
    let ends = ["an", "er", "ers", "se", "rn"]
        .iter()
        .any(|end| lower.ends_with(end));
    ends && at > 0 && FIRSTS.contains(&(strand.lower(at - 1), lower))
}

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        for at in 0..strand.len() {
            let lower = strand.lower(at);
            if lower.len() < 4 || !(is_group(lower) || is_second(strand, at)) {
                continue;
            }
            let capital = strand.raw(at).starts_with(char::is_uppercase);
            // Languages are no groups; "polish" is a verb, too, and "Christian" a name.
            let language = matches!(
                strand.lower_before(at),
                "speak"
                    | "speaks"
                    | "speaking"
                    | "in"
                    | "learn"
                    | "learning"
                    | "spoke"
                    | "study"
                    | "studies"
                    | "studied"
                    | "studying"
                    | "teach"
                    | "teaches"
                    | "teaching"
                    | "taught"
                    | "understand"
                    | "understands"
                    | "into"
            ) && strand.gap(at) == " ";
            let word = matches!(
                lower,
                "polish"
                    | "poles"
                    | "finns"
                    | "danes"
                    | "swiss"
                    | "christian"
                    | "english"
                    | "georgian"
                    | "republican"
                    | "republicans"
                    | "democrat"
                    | "democratic"
                    | "communist"
                    | "socialist"
                    | "atheist"
                    | "turkey"
            ) && !capital;
            // "European Union", "American Airlines" name something else.
            let part = capital
                && strand.gap(at + 1) == " "
                && strand.raw(at + 1).starts_with(char::is_uppercase)
                && (words::is_company(strand.lower(at + 1))
                    || matches!(
                        strand.lower(at + 1),
                        "union" | "commission" | "parliament" | "express" | "airways" | "ocean"
                    ));
            let name = lower == "christian"
                && strand.gap(at + 1) == " "
                && strand.raw(at + 1).starts_with(char::is_uppercase);
            // In small letters in a text with capitals: "I am rwandan".
            let two = is_second(strand, at) && matches!(strand.gap(at), " " | "-");
            let small = !capital && strand.is_cased(at) && words::is_english(lower) && !two;
            if !small && !language && !word && !name && !part {
                let start = at - usize::from(two);
                let value = strand.conversation.turns[strand.token(at).turn]
                    .text
                    .get(strand.token(start).start..strand.token(at).end)
                    .unwrap_or(lower)
                    .to_lowercase();
                let score = score::LOOKS + if two { 0.03 } else { 0.0 };
                found.add(strand, start..at + 1, types::NRP, value, score);
            }
        }
    }
}
