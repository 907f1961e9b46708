//! The phrases that announce a topic.

use std::sync::LazyLock;

use foldhash::HashMap;

use super::{Cue, Topic};
use crate::text::Conversation;

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
         ship it to,ship it,shipped to,send it to,send it,where do you live,sent to,property at,deliver it,\
         delivered to,coming to",
    ),
    (
        Topic::Account,
        "account number,and the account,account is,account ending in,account ends in,account ending,account no",
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
        "card,cc,card number,credit card,debit card,credit card number,debit card number,visa,\
         mastercard,master card,american express,amex,long number,sixteen digit,16 digit,\
         ending in,card ending in,card ends in,digits on the front,number on the front",
    ),
    (
        Topic::Cvv,
        "cvv,cvc,cvv2,cvc2,c v v,c v c,security code,three digit,3 digit,card verification,\
         three digits,three digits on the back,last three digits,number on the back,on the back,cvv number,three numbers on the back",
    ),
    (
        Topic::Email,
        "email,e mail,email address,e mail address,emailed,mail address",
    ),
    (
        Topic::Expiry,
        "exp,expiration,expiration date,expiry,expiry date,expires,expire,expiring,exp date,\
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
         ring me on,tel,tel no,telephone no,phone no,mobile no,contact,whatsapp,text,hotline,message,messages,sms",
    ),
    (
        Topic::Plate,
        "license plate,licence plate,kennzeichen,plate,plates,plate number,license plate number,number plate,\
         registration plate,registration,tag number,\
         registration number,vehicle registration,car registration,reg,reg no,reg number,reg plate",
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
        "password,passwd,pwd,pw,my pass,the pass is,otp,o t p,wifi key,wi fi key,network key,pass word,passcode,pass code,passphrase,pin,pin number,pin code,p i n,\
         verification code,one time code,one time password,authentication code,access code,\
         code we sent,code we just sent,security word,memorable word,secret word,the code,\
         code i sent,door code,gate code,digit code,code is,use code,\
         enter code,entry code,alarm code,unlock code,reset code,backup code",
    ),
    (
        Topic::SecretAnswer,
        "mother s maiden name,mothers maiden name,security question,secret question,\
         first pet,your pet,pet s name,name of your pet,pet was named,pet was called,pet named,\
         dog s name,cat s name,dog was named,dog was called,cat was named,cat was called,favorite teacher,\
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
        "username,user name,skype name,user,user id,userid,login,login name,login id,log in as,log in with,\
         sign in as,sign in with,signed in as,screen name,handle,logged in as,logging in as",
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
    let mut map: HashMap<&'static str, Vec<Rest>> = HashMap::default();
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

/// The longest cue that starts at a token and ends before another.
pub(super) fn cue_at(conversation: &Conversation<'_>, at: usize, end: usize) -> Option<Cue> {
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
