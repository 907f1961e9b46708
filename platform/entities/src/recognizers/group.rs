//! Nationalities and faiths that the model does not see, by a list.

use super::{Found, Scene};
use crate::entity::{score, types};

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
    hinduism islam christianity judaism buddhism sikhism catholicism";

static SET: std::sync::LazyLock<std::collections::HashSet<&'static str>> =
    std::sync::LazyLock::new(|| GROUPS.split_whitespace().collect());

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        for at in 0..strand.len() {
            let lower = strand.lower(at);
            if lower.len() < 4 || !SET.contains(lower) {
                continue;
            }
            let capital = strand.raw(at).starts_with(char::is_uppercase);
            // Languages are no groups; "polish" is a verb, too, and "Christian" a name.
            let language = matches!(
                strand.lower_before(at),
                "speak" | "speaks" | "speaking" | "in" | "learn" | "learning" | "spoke"
            ) && strand.gap(at) == " ";
            let word = matches!(
                lower,
                "polish" | "swiss" | "christian" | "english" | "georgian"
            ) && !capital;
            let name = lower == "christian"
                && strand.gap(at + 1) == " "
                && strand.raw(at + 1).starts_with(char::is_uppercase);
            if (capital || !strand.is_cased(at)) && !language && !word && !name {
                found.add(
                    strand,
                    at..at + 1,
                    types::NRP,
                    lower.to_owned(),
                    score::LOOKS,
                );
            }
        }
    }
}
