//! What is being talked about: the cues before a number or a name, by either side.
//!
//! A cue is a phrase such as "card number" or "date of birth". The nearest one before a number
//! says what it is: in the same turn, or in the question that the turn answers.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use crate::text::{Conversation, Strand};
use crate::words;

/// A cue in the same turn is near up to this many words before.
const NEAR_WORDS: usize = 14;
/// A cue counts at all up to this many words before.
const FAR_WORDS: usize = 60;
/// A cue after the number counts up to this many words behind it.
const BEHIND_WORDS: usize = 8;

/// What a cue announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// An age.
    Age,
    /// A postal address.
    Address,
    /// An account that may be a bank's.
    Account,
    /// A bank account.
    Bank,
    /// The date of birth.
    Birth,
    /// A payment card.
    Card,
    /// The security code of a card.
    Cvv,
    /// An e-mail address.
    Email,
    /// When a card expires.
    Expiry,
    /// An IBAN.
    Iban,
    /// A driver's license.
    Licence,
    /// An amount.
    Money,
    /// A person's name.
    Name,
    /// A name that the speaker states.
    NameTold,
    /// A passport.
    Passport,
    /// A telephone number.
    Phone,
    /// A registration plate.
    Plate,
    /// An order, case, policy… number.
    Reference,
    /// An individual taxpayer identification number.
    Itin,
    /// A number of the National Health Service.
    Nhs,
    /// A bank's routing number.
    Routing,
    /// A password, PIN or one-time code.
    Secret,
    /// The answer to a security question.
    SecretAnswer,
    /// A social security number.
    Ssn,
    /// The name of a user's account.
    User,
    /// A vehicle identification number.
    Vin,
    /// A postal code.
    Zip,
}

impl Topic {
    /// Whether it is asked for as such, so that "on the …" behind it only says which one.
    fn is_asked_for(self) -> bool {
        matches!(
            self,
            Self::Birth
                | Self::Phone
                | Self::Name
                | Self::Zip
                | Self::Email
                | Self::Address
                | Self::Expiry
                | Self::Cvv
                | Self::Ssn
                | Self::Plate
                | Self::Vin
                | Self::Licence
        )
    }
}

/// The phrases of each topic; an apostrophe is a space.
const CUES: &[(Topic, &str)] = &[
    (
        Topic::Age,
        "how old,your age,my age,years old,years of age,his age,her age,age is,their age",
    ),
    (
        Topic::Address,
        "address,street address,home address,mailing address,shipping address,billing address,\
         i live at,live at,lives at,living at,moved to,located at,deliver to,deliver it to,ship to,\
         ship it to,send it to,where do you live,sent to,property at",
    ),
    (
        Topic::Account,
        "account number,account is,account ending in,account ends in,account ending,account no",
    ),
    (
        Topic::Bank,
        "bank account,checking account,savings account,bank account number,\
         checking account number,savings account number,checking,sort code",
    ),
    (
        Topic::Birth,
        "date of birth,birth date,birthdate,birthday,born,born on,dob,d o b,when were you born",
    ),
    (
        Topic::Card,
        "card,card number,credit card,debit card,credit card number,debit card number,visa,\
         mastercard,master card,american express,amex,long number,sixteen digit,16 digit,\
         ending in,card ending in,card ends in,digits on the front,number on the front",
    ),
    (
        Topic::Cvv,
        "cvv,cvc,c v v,c v c,security code,three digit,3 digit,card verification,\
         three digits on the back,number on the back,on the back,cvv number,three numbers on the back",
    ),
    (
        Topic::Email,
        "email,e mail,email address,e mail address,emailed,mail address",
    ),
    (
        Topic::Expiry,
        "expiration,expiration date,expiry,expiry date,expires,expire,expiring,exp date,\
         good through,valid through,valid until,valid thru",
    ),
    (Topic::Iban, "iban,i b a n,iban number"),
    (
        Topic::Licence,
        "driver s license,drivers license,driver license,driving license,driving licence,\
         driver s licence,license number,licence number,driver s license number,\
         driving licence number,driving license number,license,licence,dl number,dl,\
         driver license number,drivers licence,driver licence",
    ),
    (
        Topic::Money,
        "price,cost,costs,total,amount,balance,owe,pay,paid,charged,refund,fee",
    ),
    (
        Topic::Name,
        "your name,full name,first name,last name,surname,name please,who am i speaking,\
         name on the card,name on the account,account holder,cardholder,spell that,spell your,\
         spell it,spelled,under what name,what name,who is calling,who s calling,\
         your first name,your last name,your full name,maiden name,middle name",
    ),
    (
        Topic::NameTold,
        "my name,name is,name and,my first name,my last name,my surname",
    ),
    (Topic::Passport, "passport,passport number,passport no"),
    (
        Topic::Phone,
        "phone number,phone,telephone,telephone number,cell,cell number,cell phone,mobile,\
         mobile number,mobile phone,call me,call you,call back,callback,callback number,reach you,\
         reach me,text me,contact number,best number,fax,fax number,your number,my number,\
         call us,call us at,dial,calling from,toll free,call,ring,ring back,ring back on,ring me,\
         ring me on,tel,tel no,telephone no,phone no,mobile no,contact,whatsapp,text,hotline",
    ),
    (
        Topic::Plate,
        "license plate,licence plate,plate,plates,plate number,license plate number,number plate,\
         registration plate,registration,tag number",
    ),
    (
        Topic::Reference,
        "order,order number,reference,reference number,ref,policy,policy number,claim,\
         claim number,booking,booking number,booking reference,confirmation,confirmation number,\
         confirmation code,case,case number,ticket,ticket number,tracking,tracking number,\
         member number,member id,membership,membership number,invoice,invoice number,serial,\
         serial number,customer number,customer id,employee id,employee number,id number,badge,\
         badge number,reservation,reservation number,loyalty,loyalty number,frequent flyer,\
         group number,patient id,patient number,medical record,medical record number,record number,\
         prescription,prescription number,rx number,model number,device id,record locator,\
         meter number,incident,incident number,incident report,student id,tax id,medicare number,\
         insurance number,flight number,transaction,transaction id,transaction number,authorization,\
         authorization code,request number,work order,purchase order,imei,meeting id",
    ),
    (
        Topic::Routing,
        "routing,routing number,transit number,aba,aba number",
    ),
    (
        Topic::Secret,
        "password,pass word,passcode,pass code,passphrase,pin,pin number,pin code,p i n,\
         verification code,one time code,one time password,authentication code,access code,\
         code we sent,code we just sent,security word,memorable word,secret word,the code,\
         code i sent,door code,gate code,digit code,code is",
    ),
    (
        Topic::SecretAnswer,
        "mother s maiden name,mothers maiden name,security question,secret question,\
         first pet,your pet,pet s name,name of your pet,favorite teacher,\
         street you grew up,grow up on,high school mascot,security answer,secret answer,\
         childhood friend,favorite color,favorite movie,answer to,first car,first school",
    ),
    (
        Topic::Ssn,
        "social,social security,social security number,ssn,s s n,last four of your social,\
         tax identification number",
    ),
    (
        Topic::Itin,
        "itin,i t i n,taxpayer identification number,individual taxpayer",
    ),
    (Topic::Nhs, "nhs,nhs number,n h s,national health service"),
    (
        Topic::User,
        "username,user name,user,login,login name,log in as,screen name,handle,logged in as",
    ),
    (
        Topic::Vin,
        "vin,vin number,v i n,vehicle identification number,vehicle identification",
    ),
    (
        Topic::Zip,
        "zip,zip code,zipcode,postal code,post code,postcode,billing zip,billing zip code",
    ),
];

/// The words of a cue after the first, and its topic.
type Rest = (Vec<&'static str>, Topic);

/// The cues by their first word, longest first.
static CUES_BY_WORD: LazyLock<HashMap<&'static str, Vec<Rest>>> = LazyLock::new(|| {
    let mut map: HashMap<&'static str, Vec<Rest>> = HashMap::new();
    for (topic, phrases) in CUES {
        for phrase in phrases.split(',') {
            let mut words = phrase.split_whitespace();
            if let Some(first) = words.next() {
                map.entry(first)
                    .or_default()
                    .push((words.collect(), *topic));
            }
        }
    }
    for rests in map.values_mut() {
        rests.sort_by_key(|(rest, _)| std::cmp::Reverse(rest.len()));
    }
    map
});

/// A cue in the conversation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cue {
    topic: Topic,
    /// Its first token.
    pub(crate) start: usize,
    /// The token after its last.
    pub(crate) end: usize,
}

/// How close a cue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distance {
    /// A few words before in the same turn, or in the question just asked.
    Near,
    /// Further back.
    Far,
}

/// All cues of a conversation.
#[derive(Debug)]
pub(crate) struct Context {
    cues: Vec<Cue>,
}

impl Context {
    /// Finds the cues.
    pub(crate) fn new(conversation: &Conversation<'_>) -> Self {
        let mut cues = Vec::new();
        for turn in &conversation.turns {
            let mut at = turn.tokens.start;
            while at < turn.tokens.end {
                let cue = cue_at(conversation, at, turn.tokens.end);
                at = cue.map_or(at + 1, |cue| cue.end);
                let before = cues
                    .last()
                    .filter(|last: &&Cue| turn.tokens.contains(&last.start));
                let told = cue.filter(|cue| {
                    !before.is_some_and(|last| {
                        last.topic.is_asked_for() && is_attribute(conversation, last.end..cue.start)
                    })
                });
                cues.extend(told);
            }
        }
        Self { cues }
    }

    /// What the words in a range of a strand are about, by the nearest cue.
    ///
    /// A cue before them in the same turn comes first; then one just behind them ("4417 are the
    /// last four of my social"); then one in an earlier turn.
    pub(crate) fn topic(
        &self,
        strand: &Strand<'_>,
        at: &Range<usize>,
    ) -> Option<(Topic, Distance)> {
        let (first, last) = (
            *strand.tokens.get(at.start)?,
            *strand.tokens.get(at.end - 1)?,
        );
        let after = self.cues.partition_point(|cue| cue.start < first);
        let before = after.checked_sub(1).map(|index| self.cues[index]);
        let conversation = strand.conversation;
        let turn = conversation.tokens[first].turn;
        let same_turn = |token: usize| conversation.tokens[token].turn == turn;
        if let Some(cue) = before.filter(|cue| same_turn(cue.start)) {
            let near = first - cue.end.min(first) <= NEAR_WORDS;
            return Some((cue.topic, if near { Distance::Near } else { Distance::Far }));
        }
        let behind = self.cues[after..].iter().find(|cue| cue.start > last);
        if let Some(cue) = behind
            && cue.start - last <= BEHIND_WORDS
            && conversation.tokens[cue.start].turn == conversation.tokens[last].turn
            && is_told_behind(conversation, last + 1)
        {
            return Some((cue.topic, Distance::Near));
        }
        let cue = before.filter(|cue| first - cue.end.min(first) <= FAR_WORDS)?;
        let asked = conversation.tokens[cue.start].turn;
        let between = asked + 1..turn;
        let direct = between.into_iter().all(|between| {
            conversation.turns[between].backchannel || conversation.turns[between].dictation
        });
        let started = first - conversation.turns[turn].tokens.start <= NEAR_WORDS;
        let near = started
            && ((direct && leads_over(conversation, &cue, turn))
                || self.continues(strand, at.start, cue.topic));
        Some((cue.topic, if near { Distance::Near } else { Distance::Far }))
    }

    /// The topic, if its cue is near.
    pub(crate) fn near(&self, strand: &Strand<'_>, at: &Range<usize>) -> Option<Topic> {
        self.topic(strand, at)
            .filter(|(_, distance)| *distance == Distance::Near)
            .map(|(t, _)| t)
    }

    /// The nearest cue before a token, if it is not too far.
    pub(crate) fn cue_near(&self, conversation: &Conversation<'_>, token: usize) -> Option<Cue> {
        let after = self.cues.partition_point(|cue| cue.start < token);
        let before = after.checked_sub(1).map(|index| self.cues[index]);
        before.filter(|cue| {
            let turns = conversation.tokens[token].turn - conversation.tokens[cue.start].turn;
            token - cue.end.min(token) <= NEAR_WORDS && turns <= 1
        })
    }

    /// Whether a topic comes up anywhere within some words of a token.
    pub(crate) fn mentioned(&self, token: usize, within: usize, topics: &[Topic]) -> bool {
        let first = self.cues.partition_point(|cue| cue.start + within < token);
        self.cues[first..]
            .iter()
            .take_while(|cue| cue.start <= token + within)
            .any(|cue| topics.contains(&cue.topic))
    }

    /// The tokens right behind each cue of a topic.
    pub(crate) fn ends_of(&self, topic: Topic) -> impl Iterator<Item = usize> + '_ {
        self.cues
            .iter()
            .filter(move |cue| cue.topic == topic)
            .map(|cue| cue.end)
    }

    /// Whether the strand was already answering a question on this topic before this position.
    fn continues(&self, strand: &Strand<'_>, at: usize, topic: Topic) -> bool {
        let Some(first) = strand.tokens.first().filter(|_| at > 0) else {
            return false;
        };
        let before = self.cues.partition_point(|cue| cue.start < *first);
        before
            .checked_sub(1)
            .is_some_and(|index| self.cues[index].topic == topic)
    }
}

/// Whether a turn with a cue hands over to the turn behind it: it is the other side's, a question,
/// or ends with the cue ("My card number is …").
fn leads_over(conversation: &Conversation<'_>, cue: &Cue, answer: usize) -> bool {
    let asking = conversation.tokens[cue.start].turn;
    let turn = &conversation.turns[asking];
    conversation.channel(asking) != conversation.channel(answer)
        || turn.text.trim_end().ends_with('?')
        || (cue.end..turn.tokens.end).all(|token| is_leading(conversation.lower(token)))
}

/// Words between a cue and a number that comes in the next turn.
fn is_leading(word: &str) -> bool {
    words::is_filler(word)
        || matches!(
            word,
            "is" | "s" | "are" | "it" | "the" | "number" | "so" | "and" | "okay"
        )
}

/// `… on the`, `… for your`: the cue behind these words only says more about the one before, as in
/// "the date of birth on the policy".
fn is_attribute(conversation: &Conversation<'_>, between: Range<usize>) -> bool {
    let prepositions = ["on", "for", "of", "with", "in", "to", "from"];
    let articles = [
        "the",
        "your",
        "my",
        "this",
        "that",
        "a",
        "our",
        "file",
        "associated",
        "linked",
    ];
    let mut words = between.map(|token| conversation.lower(token)).peekable();
    words.peek().is_some_and(|first| {
        prepositions.contains(first) || matches!(*first, "associated" | "linked")
    }) && words.all(|word| prepositions.contains(&word) || articles.contains(&word))
}

/// `… is the`, `… are my`, `… for the`: what was said is explained behind it.
fn is_told_behind(conversation: &Conversation<'_>, token: usize) -> bool {
    matches!(
        conversation.lower(token),
        "is" | "are" | "was" | "s" | "for" | "on" | "as"
    )
}

fn cue_at(conversation: &Conversation<'_>, at: usize, end: usize) -> Option<Cue> {
    let rests = CUES_BY_WORD.get(conversation.lower(at))?;
    rests
        .iter()
        .find(|(rest, _)| {
            at + rest.len() < end
                && rest
                    .iter()
                    .zip(at + 1..)
                    .all(|(word, token)| conversation.lower(token) == *word)
        })
        .map(|(rest, topic)| Cue {
            topic: *topic,
            start: at,
            end: at + 1 + rest.len(),
        })
}
