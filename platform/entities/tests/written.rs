//! Written texts, of several lines or speakers: what is in braces is found as it stands, and nothing
//! else. Patterns only: what the model adds is no rule.
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use colloquy_entities::Recognizers;

/// The text without its braces, and type, start in characters and text of what they hold.
fn parse(case: &str) -> (String, Vec<(String, usize, String)>) {
    let (mut text, mut expected) = (String::new(), Vec::new());
    let mut rest = case;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (entity, after) = after.split_once('}').unwrap();
        let (kind, named) = entity.split_once(':').unwrap();
        expected.push((kind.to_owned(), text.chars().count(), named.to_owned()));
        text.push_str(named);
        rest = after;
    }
    text.push_str(rest);
    (text, expected)
}

fn check(cases: &[&str]) {
    let recognizers = Recognizers::new(None);
    let mut wrong = Vec::new();
    for case in cases {
        let (text, expected) = parse(case);
        let found = recognizers.recognize_text(&text);
        let told = found
            .iter()
            .map(|f| (f.entity_type.to_owned(), f.start, f.text.clone()));
        let told: Vec<_> = told.collect();
        if told != expected {
            wrong.push(format!(
                "{text:?}\n  found  {told:?}\n  wanted {expected:?}"
            ));
        }
        let explained = recognizers.explain_text(&text);
        let same = explained.iter().map(|(finding, _)| finding).eq(&found);
        assert!(same, "explained differently: {text:?}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_address_goes_on_over_its_lines() {
    check(&[
        "Send it to {STREET_ADDRESS:12 Main Street\nApt 4\nBoulder, CO 80302}\nand call first.",
        "{STREET_ADDRESS:773 Gammelhavn 36\nSuite 643\nAnholt\nDenmark 83623}\nthat is all",
        "{STREET_ADDRESS:9 Oak Road\nTokoza Ext\n\nSouth Africa 12385}\n212-55 is no part",
        "> {STREET_ADDRESS:14 Hill Street\n> Suite 5\n> Kilbirnie\n> New Zealand 66091}\n> so far",
        // A number in the next line is none of it.
        "{STREET_ADDRESS:PSC 3262, Box 5366\nAPO AP 38777}\n{PHONE_NUMBER:212-555-0147}",
    ]);
}

#[test]
fn numbers_and_units_before_a_street_belong_to_it() {
    check(&[
        "It was {STREET_ADDRESS:Suite 929 81003 Luige tee 99}.",
        "It is {STREET_ADDRESS:699 92 route de Lyon} they say.",
        "{STREET_ADDRESS:4391 Hauptstraße 12} is the place.",
        "They meet at the corner of {STREET_ADDRESS:12 Oak Street and Miller Hollow} today.",
    ]);
}

#[test]
fn a_street_without_a_number_is_one_where_its_kind_is_sure() {
    check(&[
        "She walked down {STREET_ADDRESS:Maple Avenue} alone.",
        "It was a long road and a quiet street.",
        "The Maple Street Diner is closed.",
    ]);
}

#[test]
fn a_code_behind_a_town_is_a_postal_code() {
    check(&[
        "They work in {LOCATION:Nieuwegein} {ZIP_CODE:3437} these days.",
        "They work in {LOCATION:Nieuwegein} 20 days a year.",
    ]);
}

#[test]
fn people_are_told_by_what_only_people_do_and_have() {
    check(&[
        "{PERSON:Nurishat} lives by the sea.",
        "It was {PERSON:Thekla}'s daughter who knew.",
        "They had given {PERSON:Ingunn} her keys.",
        "{PERSON:Breogan J. Orosco} and nobody else.",
        "{PERSON:Wiola}, {PERSON:Maria}, {PERSON:Laura} and {PERSON:Racław} came.",
        "{PERSON:Ingunn}: \"Who is it?\"",
        "What's your last name? {PERSON:Trevisan}.",
        "we had {PERSON:brittany kowalska} on the line",
        "Our driver {PERSON:Abdulkadir} was late, and {PERSON:Kjell} is a plumber.",
        "{PERSON:Ingunn} cancelled the lunch because she was ill.",
        "It was written by {PERSON:Chimamanda}. {PERSON:Thandiwe} from accounts called.",
        "The company lives by its work, and {ORGANIZATION:Acme}'s prices are high.",
    ]);
}

#[test]
fn occupations_are_titles_where_they_stand_as_such() {
    check(&[
        "{PERSON:Jane Kowalska}\n{TITLE:Sales manager}\nin our town",
        "{PERSON:Jane Kowalska}, the {TITLE:truck dispatcher}, said so.",
        "He was with us as {TITLE:Payroll clerk}, but quit.",
        "I am a nurse, and my sister is a teacher.",
        "Yeah, the last one is a baker, like the cook, you know.",
    ]);
}

#[test]
fn companies_end_where_their_form_does() {
    check(&[
        "We know {ORGANIZATION:Serma Group SA} and {ORGANIZATION:Empiric Student PLC} well.",
        "{PERSON:Susan Hoare} of {ORGANIZATION:Goldplat plc} said so.",
        "{ORGANIZATION:TAMAGAWA HOLDINGS CO.LTD.} and {ORGANIZATION:KAJI TECHNOLOGY CORPORATION}",
        "The {ORGANIZATION:Bank of Denver Ltd} is open.",
    ]);
}

#[test]
fn nationalities_of_two_words_and_in_small_letters() {
    check(&[
        "I am {NRP:rwandan} and she is {NRP:South African}.",
        "We are proud {NRP:bahamians}.",
        "They study English, and polish their shoes.",
        "The {ORGANIZATION:European Union} has many members.",
    ]);
}

#[test]
fn speakers_of_a_text_answer_each_other() {
    check(&[
        "Agent: And your zip code?\nCustomer: {ZIP_CODE:eight oh three oh two}",
        "Speaker 1: What is your name, please?\nSpeaker 2: {PERSON:Dana}.",
        "Bot: What's your phone number, please? User: {PHONE_NUMBER:0147 5550}",
        "Agent: The card number, please?\nCustomer: {CREDIT_CARD:4111 1111}\nAgent: Okay.\n\
         Customer: {CREDIT_CARD:1111 1111}.",
        "Prüfung: ä\nAgent: What is your name, please?\nCustomer: {PERSON:Zoë}.",
    ]);
}

#[test]
fn ages_and_numbers_by_their_words() {
    check(&[
        "It was written when he was {AGE:55}.",
        "{PERSON:Maria Kowalska}, {AGE:42}, said so, and {PERSON:John Racław} ({AGE:39}) did.",
        "I got no message on {PHONE_NUMBER:0371 6101212} so far.",
        "It is charged to cc {CREDIT_CARD:4111111111111111} monthly.",
    ]);
}

#[test]
fn signatures_and_forms_name_people_and_companies() {
    check(&[
        "Kind regards,\n{PERSON:Saga Ekberg}\n{ORGANIZATION:Vantora Textiles}\n+ 2 enclosures",
        "{PERSON:Anna Wolf}\n{TITLE:Sales manager}\n{ORGANIZATION:Zentrica}\nTel. below",
        "{PERSON:Priya Nair} | Account Executive | {ORGANIZATION:Zentrica}",
        "Kind regards, {PERSON:Laura Stein}, {ORGANIZATION:Fischer}, {PHONE_NUMBER:+44 20 7946 0123}",
        "Contact: {PERSON:Violet Okafor}\nBroker: {ORGANIZATION:Zentrica}",
        "Cardholder {PERSON:OLUFEMI BANKOLE}",
        "Best regards,\nThe Whole Team",
        "Kind regards\nCustomer Care",
        "Yours faithfully\nThe Management",
    ]);
}

#[test]
fn companies_end_with_their_form_in_brackets_and_are_found_again() {
    check(&[
        "{ORGANIZATION:Vantora Risk Partners (Pty) Ltd} wrote. {ORGANIZATION:Vantora} is late.",
        "It's the bakery, {ORGANIZATION:Bäckerei Lindqvist GmbH}. {ORGANIZATION:Lindqvist} is closed.",
        "{PERSON:Jane Lindqvist} runs {ORGANIZATION:Lindqvist Brewing}. {PERSON:Lindqvist} is {AGE:64}.",
        "The {ORGANIZATION:University of Otago} and {ORGANIZATION:NASA} found it.",
    ]);
}

#[test]
fn an_age_behind_a_name_is_no_house_number() {
    check(&["{PERSON:Jane Achterhof}, {AGE:64}, who ran the mill, is gone."]);
}
