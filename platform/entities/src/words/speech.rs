//! Words that say little: fillers, agreement, what joins the digits of a number, what numbers count.

/// Sounds that mean nothing.
pub(crate) fn is_filler(lower: &str) -> bool {
    matches!(
        lower,
        "uh" | "um" | "er" | "erm" | "ah" | "hm" | "hmm" | "mm" | "mhm" | "mmhmm" | "uhm" | "umm"
    )
}

/// What a listener says to show that they listen.
pub(crate) fn is_backchannel(lower: &str) -> bool {
    is_filler(lower)
        || matches!(
            lower,
            "okay"
                | "ok"
                | "k"
                | "yeah"
                | "yes"
                | "yep"
                | "yup"
                | "huh"
                | "right"
                | "got"
                | "it"
                | "sure"
                | "go"
                | "ahead"
                | "alright"
                | "all"
                | "great"
                | "thanks"
                | "thank"
                | "you"
                | "perfect"
                | "continue"
                | "i"
                | "see"
                | "m"
                | "with"
                | "and"
                | "uhhuh"
                | "good"
                | "correct"
                | "cool"
                | "fine"
                | "next"
                | "so"
                | "far"
                | "that"
                | "s"
        )
}

/// What a listener says besides, to let the other go on: "keep going", "and the rest, please".
pub(crate) fn is_prompt(lower: &str) -> bool {
    matches!(
        lower,
        "on" | "keep"
            | "going"
            | "carry"
            | "please"
            | "ready"
            | "rest"
            | "the"
            | "when"
            | "re"
            | "are"
            | "am"
            | "listening"
            | "still"
            | "here"
            | "noted"
            | "copy"
            | "just"
            | "moment"
            | "sec"
            | "typing"
    )
}

/// What a speaker says between the digits of one number.
pub(crate) fn is_joiner(lower: &str) -> bool {
    is_filler(lower)
        || matches!(
            lower,
            "okay"
                | "ok"
                | "dash"
                | "hyphen"
                | "then"
                | "yeah"
                | "let"
                | "me"
                | "see"
                | "so"
                | "space"
                | "slash"
                | "comma"
                | "sorry"
                | "wait"
                | "no"
                | "mean"
                | "next"
                | "dot"
                | "point"
                | "capital"
                | "uppercase"
                | "lowercase"
        )
}

/// What numbers count: after a number, it is an amount and identifies nobody.
pub(crate) fn is_unit(lower: &str) -> bool {
    matches!(
        lower,
        "minute"
            | "minutes"
            | "hour"
            | "hours"
            | "day"
            | "days"
            | "week"
            | "weeks"
            | "month"
            | "months"
            | "year"
            | "years"
            | "second"
            | "seconds"
            | "dollar"
            | "dollars"
            | "bucks"
            | "cents"
            | "euros"
            | "pounds"
            | "percent"
            | "people"
            | "times"
            | "items"
            | "miles"
            | "feet"
            | "inches"
            | "units"
            | "megabytes"
            | "gigabytes"
            | "points"
            | "others"
            | "business"
            | "working"
            | "am"
            | "pm"
            | "o"
            | "nights"
            | "guests"
            | "pages"
            | "pieces"
            | "calls"
            | "users"
            | "customers"
            | "megabits"
            | "gigs"
            | "degrees"
            | "grand"
    )
}

/// What opens an answer before what was asked for: "well, my name is …".
pub(crate) fn is_opening(lower: &str) -> bool {
    is_backchannel(lower)
        || matches!(
            lower,
            "would" | "be" | "is" | "my" | "name" | "well" | "the" | "oh"
        )
}

/// Words that a letter begins with, before the name.
pub(crate) fn is_greeting(lower: &str) -> bool {
    matches!(
        lower,
        "dear"
            | "hi"
            | "hello"
            | "hey"
            | "hej"
            | "hei"
            | "hallo"
            | "hola"
            | "ciao"
            | "bonjour"
            | "salut"
            | "moin"
            | "cher"
            | "chère"
            | "liebe"
            | "lieber"
            | "beste"
            | "caro"
            | "cara"
            | "estimado"
            | "estimada"
    )
}

/// Words that the greeting at the end of a letter ends with, before the name: `Kind regards`.
pub(crate) fn is_closing(lower: &str) -> bool {
    matches!(
        lower,
        "regards"
            | "sincerely"
            | "wishes"
            | "thanks"
            | "cheers"
            | "yours"
            | "faithfully"
            | "best"
            | "gratitude"
            | "grüßen"
            | "grüße"
            | "cordially"
            | "truly"
            | "respectfully"
            | "saludos"
            | "cordialement"
            | "groet"
            | "groeten"
            | "hilsen"
            | "hälsningar"
            | "saluti"
    )
}
