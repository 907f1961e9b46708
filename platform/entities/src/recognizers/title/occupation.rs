//! Occupations: `Jane Smith\nRisk manager`, `Jane Smith, the truck dispatcher, said …`, `worked for
//! Acme as Courier`.
//!
//! Only where they are used as a title: "I am a nurse" names nobody. An occupation is known by the
//! noun it ends with, such as those of the groups of the Standard Occupational Classification
//! (<https://www.bls.gov/soc/>).

use crate::entity::{score, types};
use crate::recognizers::{Found, Scene};
use crate::text::Strand;
use crate::words;

/// An occupation has at most this many words.
const LONGEST: usize = 6;

/// The nouns that occupations end with.
const NOUNS: &str = "accountant actor actress actuary adjuster administrator adviser advisor agent \
    aide ambassador analyst announcer appraiser apprentice arbitrator archeologist architect \
    archivist artist assembler assessor assistant associate astronaut astronomer athlete attendant \
    attorney auctioneer auditor author baker barber bartender biologist blacksmith boilermaker \
    bookkeeper botanist brazer brewer bricklayer broker builder butcher buyer captain caretaker \
    carpenter carrier cartographer cashier chairman chairperson chairwoman chauffeur checker chef \
    chemist chiropractor choreographer claims cleaner clerk coach collector columnist composer \
    conductor conservator consultant contractor controller cook coordinator copywriter coroner \
    correspondent cosmetologist counselor counsellor courier craftsman curator custodian cutter dancer \
    dealer dean dentist designer detective developer dietitian director dishwasher dispatcher diver \
    doctor drafter driver economist editor educator electrician embalmer engineer engraver \
    entertainer epidemiologist estimator examiner executive expert fabricator farmer finisher \
    firefighter fisher fisherman fitter florist forester foreman founder framer fundraiser gardener \
    geographer geologist glazier groundskeeper guard guide hairdresser handyman historian \
    housekeeper hygienist illustrator inspector installer instructor interpreter interviewer investigator \
    janitor jeweler journalist judge keeper laborer labourer landscaper lawyer lecturer librarian \
    lifeguard locksmith logger logistician machinist magistrate maid mailman maker manager manicurist \
    manufacturer mariner marketer marshal mason masseuse mathematician mechanic mediator messenger \
    microbiologist midwife miller millwright miner minister model molder monitor mover musician \
    nanny negotiator neurologist notary novelist nurse nutritionist officer operator optician \
    optometrist orderly organizer orthodontist packer painter paralegal paramedic pathologist \
    pediatrician performer pharmacist photographer physician physicist physiotherapist pianist pilot \
    planner plasterer plumber podiatrist poet policeman politician porter postmaster practitioner \
    preparer presenter president presser principal printer producer professor programmer \
    projectionist promoter proofreader prosecutor psychiatrist psychologist publisher radiologist \
    ranger realtor receptionist recruiter repairer repairman reporter representative researcher \
    retailer rigger roofer sailor salesman salesperson saleswoman scheduler scientist sculptor \
    seamstress secretary server setter sewer sheriff shipper singer sociologist soldier \
    sommelier specialist stenographer steward stewardess stocker strategist supervisor supplier \
    surgeon surveyor tailor teacher technician technologist telemarketer teller tender tester \
    therapist trader trainer translator treasurer tuner tutor underwriter undertaker upholsterer usher \
    valet veterinarian waiter waitress warden welder woodworker worker writer zoologist ceo cfo cto \
    coo";

/// The nouns, for asking.
static SET: std::sync::LazyLock<foldhash::HashSet<&'static str>> =
    std::sync::LazyLock::new(|| NOUNS.split_whitespace().collect());

/// Whether a word, in lower case, is a noun that occupations end with.
pub(crate) fn is_occupation(lower: &str) -> bool {
    SET.contains(lower)
}

pub(super) fn find(scene: &Scene<'_>, found: &mut Found) {
    for reading in &scene.readings {
        let strand = &reading.strand;
        for at in 0..strand.len() {
            // Asked of every word, so the cheap question first.
            if !is_occupation(strand.lower(at)) {
                continue;
            }
            let start = line(strand, at)
                .or_else(|| apposition(strand, at))
                .or_else(|| employed(strand, at));
            if let Some(start) = start {
                let parts = strand.parts(start..at + 1);
                let value = (start..at + 1)
                    .map(|at| strand.lower(at))
                    .collect::<Vec<_>>();
                found.add_parts(parts, types::TITLE, value.join(" "), score::CONTEXT);
            }
        }
    }
}

/// Where an occupation starts that is a line of its own and ends at a position; the line above is a
/// name.
fn line(strand: &Strand<'_>, last: usize) -> Option<usize> {
    let ends = strand.starts_turn(last + 1) || strand.is_line_break(last + 1);
    if !ends || strand.starts_turn(last + 1) && !strand.tail(last).trim().is_empty() {
        return None;
    }
    let mut start = last;
    while !strand.is_line_break(start) {
        let tied = matches!(strand.gap(start), " " | "-" | ", " | " & " | "/");
        if start == 0 || !tied || last - start >= LONGEST {
            return None;
        }
        start -= 1;
    }
    let capital = strand.raw(start).starts_with(char::is_uppercase) || !strand.is_cased(start);
    // The name above: two to four words, and nothing else in their line.
    let mut name = start;
    while name > 0 && (name == start || !strand.is_line_break(name)) {
        name -= 1;
        let fits = strand.raw(name).starts_with(char::is_uppercase) || !strand.is_cased(name);
        let tied = name + 1 == start || matches!(strand.gap(name + 1), " " | ". " | "-" | "'");
        if !fits || !tied || start - name > 4 {
            return None;
        }
        if strand.starts_turn(name) {
            break;
        }
    }
    let known = (name..start).any(|at| {
        words::is_given_name(strand.lower(at)) || !words::is_english(&strand.lower_any(at))
    });
    (capital && start - name >= 2 && known).then_some(start)
}

/// `Jane Smith, the truck dispatcher, said`.
fn apposition(strand: &Strand<'_>, last: usize) -> Option<usize> {
    if !strand.gap(last + 1).starts_with(',') {
        return None;
    }
    let mut start = last;
    while strand.gap(start) == " " && last - start < LONGEST {
        if strand.lower_before(start) == "the" && strand.gap(start - 1) == ", " {
            let name = start.checked_sub(2)?;
            let lower = strand.lower_any(name);
            let named = strand.raw(name).starts_with(char::is_uppercase) || !strand.is_cased(name);
            let said = words::is_common(&lower) || words::is_company(&lower);
            return (named && !said && !words::is_english(&lower)).then_some(start);
        }
        start -= 1;
        // "Yeah, the last name is …" goes on as a sentence does.
        if matches!(
            strand.lower(start),
            "is" | "was" | "are" | "and" | "of" | "to" | "a"
        ) {
            return None;
        }
    }
    None
}

/// `worked for Acme as Courier`: in capitals, so as a position is called.
fn employed(strand: &Strand<'_>, last: usize) -> Option<usize> {
    let mut start = last;
    while strand.gap(start) == " " && last - start < LONGEST {
        if strand.lower_before(start) == "as" {
            let capital = strand.raw(start).starts_with(char::is_uppercase);
            return capital.then_some(start);
        }
        start -= 1;
    }
    None
}
