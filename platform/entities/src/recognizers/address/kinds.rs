//! The words that say that something is a street, in the languages that write with Latin letters.
//!
//! English ones are the suffixes of Publication 28 of the United States Postal Service
//! (<https://pe.usps.com/text/pub28/28apc_002.htm>), those of Australia's AS 4590 and some that
//! Britain and India have besides. The others are what the addressing guides of the Universal Postal Union show
//! (<https://www.upu.int/en/postal-solutions/programmes-services/addressing-solutions>).

use std::sync::LazyLock;

use foldhash::{HashMap, HashSet};

/// How sure it is that an English word behind a name is a kind of street.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sureness {
    /// Seldom anything else, in any casing.
    Sure,
    /// A word that is often something else.
    Word,
    /// An abbreviation, which is one where it is capitalized.
    Short,
}

const SURE: &str = "street avenue boulevard lane road parkway highway expressway turnpike \
    freeway trafficway throughway motorway skyway causeway overpass underpass crossroad crossroads";

const WORDS: &str = "drive court place way circle terrace trail square loop crescent close route \
    plaza alley ridge hill alleyway annex arcade bayou beach bend bluff bluffs bottom branch \
    bridge brook brooks burg burgs bypass camp canyon cape center centers centre circles cliff \
    cliffs club common commons corner corners course courts cove coves creek crest crossing curve \
    dale dam divide drives estate estates extension extensions fall falls ferry field fields flat \
    flats ford fords forest forge forges fork forks fort garden gardens gateway glen glens green \
    greens grove groves harbor harbors harbour haven heights hills hollow inlet island islands \
    isle junction junctions key keys knoll knolls lake lakes land landing light lights loaf lock \
    locks lodge mall manor manors meadow meadows mews mill mills mission mount mountain mountains \
    neck orchard oval park parks parkways pass passage path pike pine pines plain plains plazas \
    point points port ports prairie radial ramp ranch rapid rapids rest river roads row rue run \
    shoal shoals shore shores spring springs spur spurs squares station stravenue stream streets \
    summit throughway trace track trafficway trailer tunnel turnpike union unions valley valleys \
    via viaduct view views village villages ville vista walk walks wall ways well wells parade \
    access amble anchorage approach basin block brace brae break brow centreway circlet circus \
    colonnade concourse copse courtyard cowling crossway deviation dip distributor domain driveway \
    easement edge elbow entrance fairway firetrail follow footway foreshore formation frontage gap \
    garth glade gully highroad interchange intersection keep laneway lees lookout lynne mead \
    meander outlook paddock part pathway pocket pursuit quad quadrangle quadrant quays ramble reach \
    reserve retreat return ridgeway ring riverway riviera roadside roadway ronde rosebowl rotary \
    round serviceway siding slope sound steps strip subway tarn thoroughfare tollway top tor towers \
    triangle turn waterway woods wynd chowk marg nagar ganj zila gali bazaar \
    esplanade promenade quay rise chase drove end side lodge villas cottages mansions walkway \
    circuit link nook strand broadway boardwalk barrage byway cutting dell dene drift embankment \
    gate grange yard wharf vale";

const SHORTS: &str = "st ave av rd dr ln blvd bvd ct pl cir ter terr pkwy hwy sq trl cres crt cl \
    gr expy fwy tpke pde aly xing hts jct plz gdns rte";

/// Ends of words that are streets by themselves: `Hauptstraße`, `Kerkstraat`, `Storgatan`.
const ENDS: &str = "straße strasse str gasse weg allee platz ring damm ufer steig stieg graben \
    chaussee promenade wall zeile pfad gata gatan gate gaten vei veien vej vejen väg vägen vagen \
    gränd stigen backen torget stræde straede plads pladsen allé alle toften bakken vænget vang \
    vangen haven parken engen marken lunden krogen straat straatweg laan plein kade gracht dreef \
    singel steeg hof pad dijk katu tie kuja polku kaari ranta tori stígur gata vegur braut gerði \
    uliczka utca utcája gränden leden ängen berget høj højen ager agervej skrænten svinget tunet \
    kroken bråten faret lia åsen stien";

/// Words that stand before the name of a street: `via Roma`, `rue de la Paix`, `ul. Długa`.
const BEFORE: &str = "via viale piazza piazzale corso largo vicolo strada borgo contrada stretto \
    canale incrocio rotonda lungomare salita traversa rue avenue av ave boulevard bd boul place \
    chemin impasse allée allee quai route cours passage square sentier faubourg ruelle calle c \
    cl avenida avda avd paseo plaza pza camino carretera ctra ronda rambla glorieta cuesta \
    callejón callejon pasaje privada andador calzada circunvalación continuación diagonal \
    periférico prolongación retorno viaducto eje cerrada boulevard ampliación vial acceso pasadizo \
    jardines urbanización urb via rua travessa alameda praça praca estrada rodovia vila \
    conjunto distrito jardim loteamento núcleo parque quadra residencial sítio trecho trevo vale \
    vereda viela ladeira lagoa lago morro passarela esplanada feira favela fazenda colônia condomínio \
    aeroporto área campo chácara estação ulica ul aleja al plac pl os osiedle ulice nám námestí \
    náměstí bulevardul bulevard bd calea aleea intrarea șoseaua soseaua splaiul fundătura drumul \
    rruga jl jln jalan gang dk cadde trg obala cesta šetalište prilaz put";

/// Words that stand behind the name of a street, which the number follows: `Petőfi utca 12`.
const BEHIND: &str = "utca u út útja tér tere körút krt sor köz sétány rakpart fasor liget lejtő \
    gata gatan gate vei vej katu straße strasse str straat weg allee platz ring laan plein gasse \
    polku tie kuja kaari sokak sokağı sk cadde caddesi cad cd bulvarı blv mahallesi mah ulica cesta pot trg street \
    tee maantee puiestee põik mnt pst rkp \
    avenue road ulice náměstí třída väg gränd allé plads vegur prospekt";

/// What the kinds are, by the word in lower case.
static ENGLISH: LazyLock<HashMap<&'static str, Sureness>> = LazyLock::new(|| {
    let mut map = HashMap::default();
    for (words, sureness) in [
        (WORDS, Sureness::Word),
        (SHORTS, Sureness::Short),
        (SURE, Sureness::Sure),
    ] {
        map.extend(words.split_whitespace().map(|word| (word, sureness)));
    }
    map
});

/// The English kind of street that a word is.
pub(super) fn english(raw: &str, lower: &str) -> Option<Sureness> {
    let sureness = *ENGLISH.get(lower)?;
    let capital = raw.starts_with(char::is_uppercase);
    (sureness != Sureness::Short || capital).then_some(sureness)
}

/// The ends of words by their last letter: most words have none.
static BY_LAST: LazyLock<HashMap<char, Vec<&'static str>>> = LazyLock::new(|| {
    let mut map: HashMap<char, Vec<&'static str>> = HashMap::default();
    for end in ENDS.split_whitespace() {
        map.entry(end.chars().next_back().unwrap_or(' '))
            .or_default()
            .push(end);
    }
    map
});

static BEFORE_SET: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| BEFORE.split_whitespace().collect());

static BEHIND_SET: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| BEHIND.split_whitespace().collect());

/// Whether a word, in lower case, is a street by its end.
pub(super) fn ends_as_street(lower: &str) -> bool {
    let last = lower.chars().next_back().unwrap_or(' ');
    BY_LAST.get(&last).into_iter().flatten().any(|end| {
        lower
            .strip_suffix(end)
            .is_some_and(|name| name.chars().count() >= 3)
    })
}

/// Whether a word, in lower case, stands before the name of a street.
pub(super) fn stands_before(lower: &str) -> bool {
    BEFORE_SET.contains(lower)
}

/// Whether a word, in lower case, stands behind the name of a street and before its number.
pub(super) fn stands_behind(lower: &str) -> bool {
    BEHIND_SET.contains(lower)
}

/// Whether a word, in lower case, is often something else than a kind of street.
pub(super) fn is_doubtful_before(lower: &str) -> bool {
    lower.len() <= 2
        || matches!(
            lower,
            "place"
                | "square"
                | "route"
                | "passage"
                | "quai"
                | "cours"
                | "via"
                | "park"
                | "put"
                | "gang"
                | "cesta"
                | "avenue"
                | "boulevard"
                | "canale"
                | "diagonal"
                | "vale"
                | "distrito"
                | "conjunto"
                | "jardim"
                | "parque"
                | "lago"
                | "campo"
                | "feira"
                | "vial"
                | "acceso"
                | "eje"
                | "trg"
                | "str"
                | "strada"
        )
}
