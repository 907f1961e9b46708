"""Sentences for the golden file and the benchmark: templates of our own, filled in by a seed.

Nothing here is quoted from anywhere. The names are common ones put together by chance; numbers are
random. `sentences(count, seed)` gives the same sentences on every machine and Python.
"""

import random

GIVEN = """Maria James Olivia Noah Priya Wei Fatima Sean Chloe Diego Aisha Hannah Tomasz Yuki Ingrid
Marcus Zoë José Renée Björn Siobhan Kwame Leila Oleg Anjali Rosa Victor Grace Ethan Mia Abdul Nadia
Patrick Eleanor Hugo Beatriz Samuel Lakshmi Dmitri Carmen Jean-Luc Mary-Ann D'Angelo Will Mark April
May Hope Rich Bill""".split()
FAMILY = """Okafor Hernández Smith O'Brien Nguyen Kowalski Patel Müller Jackson van Dijk|Rossi Sato
Al-Hassan MacDonald Fernandes Lindqvist Cohen Dubois Iversen Castillo Park Walker Young Baker Stone
Brown Santos-Lima Fitzgerald Ivanova Yılmaz Nowak Singh Lee Garcia Whitfield Berg Moreau Haddad
Turner Price Banks""".replace("van Dijk|", "").split() + ["van Dijk", "de la Cruz", "St. James"]
ORGS = """Northwind Energy|Blue Harbor Bank|Kestrel Airlines|Amazon|Google|the World Health Organization|
Acme Corp.|Verde Foods Inc.|Lloyd & Sons|Microsoft|Riverside Insurance Group|AT&T|T-Mobile|Oxfam|
the Department of Transportation|Delta|Samsung|JPMorgan Chase|the University of Leeds|BBC|Tesla|
Orchard Telecom Ltd.|Yahoo!|Procter & Gamble|the European Commission|St. Mary's Hospital|
Harper, Cole & Finch LLP|IKEA|the FBI|Siemens AG|H&M|Costco|7-Eleven|Meridian Health Plans|
the Supreme Court|NASA|Volkswagen|Wells Fargo|Summit Cable|Pioneer Utilities""".replace("\n", "").split("|")
PLACES = """New York|Austin, Texas|Springfield|Lagos|Kraków|São Paulo|the United Kingdom|Ohio|Tokyo|
Los Angeles, CA|Dublin|Portland, Oregon|the Netherlands|Mumbai|Cape Town|Salt Lake City|Zürich|U.S.|
the U.S.|UK|U.K.|Washington, D.C.|California|North Carolina|Istanbul|Hyderabad|Ciudad Juárez|Canada|
St. Louis|Birmingham|Paris|Nairobi|Seattle|Manchester|Kyiv|Queens|Kansas City|Berlin""".replace("\n", "").split("|")
REGIONS = """Lake Michigan|the Rocky Mountains|Southeast Asia|the Pacific Ocean|the Middle East|
the Thames|Mount Kenya|the Sahara|Eastern Europe|Silicon Valley|the Gulf Coast|Mars""".replace("\n", "").split("|")
BUILDINGS = """the Golden Gate Bridge|Heathrow Airport|Terminal 5|the Willow Street Mall|O'Hare|
Highway 61|the Brooklyn Bridge|Union Station|Fenway Park|Interstate 80|Gate B12""".replace("\n", "").split("|")
GROUPS = """American|Dutch|Muslims|Democrats|Republican|Nigerian|Christian|French|the Brazilians|
Canadians|Catholic|Asian-American|British|Iraqi|Jewish|Latino""".replace("\n", "").split("|")
PRODUCTS = """iPhone 15|Galaxy S24|Windows 11|the Model 3|Boeing 737|PlayStation|Ford F-150|Kindle|
ThinkPad X1|Advil|the Prius|AirPods""".replace("\n", "").split("|")
WORKS = """"The Glass Orchard"|'Winter in Lisbon'|“Paper Rivers”|Hamlet|the Mona Lisa|Star Wars|
"Songs for a Rainy Tuesday"|The Last Lighthouse|the Bible""".replace("\n", "").split("|")
EVENTS = """Hurricane Katrina|World War II|the Super Bowl|the Olympics|Black Friday|Christmas|
the Great Recession|the 2019 World Cup|Thanksgiving|Brexit""".replace("\n", "").split("|")
LAWS = """the Fair Credit Billing Act|Section 230|the First Amendment|Chapter 11|GDPR|Title IX|
the Clean Air Act|Regulation E|HIPAA""".replace("\n", "").split("|")
LANGUAGES = "English|Spanish|Mandarin|French|Hindi|Arabic|Portuguese|Vietnamese|Polish".split("|")
MONTHS = """January February March April May June July August September October November December
Jan. Feb. Mar Sept. Oct Nov. Dec""".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday Mon. Tues Thurs. Fri".split()
ONES = "one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty".split()
STREETS = "Maple Street|Oak Ave|5th Avenue|Elm St.|Sunset Blvd.|Kings Road|Lakeview Drive|Pine Ct".split("|")
EMOJI = "🙂 😂 👍🏽 ❤️ 🚗 🇺🇸 👩‍💻 ✨".split()
FACES = ":) :-( ;) :D xD <3 :'( ^_^ (: =] :/ o_O".split()


class Filler:
    """Fills `{name}` in templates."""

    def __init__(self, rng):
        self.rng = rng

    def pick(self, values):
        return values[self.rng.randrange(len(values))]

    def digits(self, count):
        return "".join(str(self.rng.randrange(10)) for _ in range(count))

    def person(self):
        given, family = self.pick(GIVEN), self.pick(FAMILY)
        forms = [given, f"{given} {family}", f"{given} {family}", f"{given} {self.pick('ABCDEJLMRST')}. {family}",
                 f"Mr. {family}", f"Ms. {family}", f"Dr. {given} {family}", f"Mrs {family}",
                 f"{given} {family} Jr.", f"{family}, {given}"]
        return self.pick(forms)

    def first(self):
        return self.pick(GIVEN)

    def full(self):
        return f"{self.pick(GIVEN)} {self.pick(FAMILY)}"

    def org(self):
        return self.pick(ORGS)

    def place(self):
        return self.pick(PLACES)

    def region(self):
        return self.pick(REGIONS)

    def building(self):
        return self.pick(BUILDINGS)

    def group(self):
        return self.pick(GROUPS)

    def product(self):
        return self.pick(PRODUCTS)

    def work(self):
        return self.pick(WORKS)

    def event(self):
        return self.pick(EVENTS)

    def law(self):
        return self.pick(LAWS)

    def language(self):
        return self.pick(LANGUAGES)

    def number(self):
        n = self.rng.randrange(2, 9999)
        return self.pick([str(n), f"{n:,}", f"{n}.{self.rng.randrange(10)}", self.pick(ONES), f"about {n}",
                          f"{self.pick(ONES)} hundred", f"{n}k", "a dozen", "half a million", f"-{n}", "1/2"])

    def ordinal(self):
        return self.pick(["first", "second", "3rd", "21st", "fourth", "twenty-third", "1st", "11th", "last"])

    def date(self):
        day, year = self.rng.randrange(1, 29), self.rng.randrange(1931, 2031)
        month = self.pick(MONTHS)
        return self.pick([f"{month} {day}, {year}", f"{day} {month} {year}", f"{month} {day}th", self.pick(DAYS),
                          f"{self.rng.randrange(1, 13)}/{day}/{year}", f"{year}-{self.rng.randrange(1, 13):02}-{day:02}",
                          f"the {day}th of {month}", "yesterday", "next Tuesday", "last year", f"in {year}",
                          f"the {year // 10 * 10}s", f"{self.pick(ONES)} weeks ago", "Q3", f"{month} {year}",
                          f"{day}.{self.rng.randrange(1, 13)}.{year}", "the end of the month", f"'{year % 100:02}",
                          f"{day}-{month}-{year}", "this morning", "tomorrow", f"{year}–{year + 4}"])

    def time(self):
        hour, minute = self.rng.randrange(1, 13), self.rng.randrange(60)
        return self.pick([f"{hour}:{minute:02} p.m.", f"{hour}am", f"{hour} o'clock", f"{hour + 11}:{minute:02}",
                          "noon", "two hours", f"{minute} minutes", f"{hour}:{minute:02}PM", "half past nine",
                          f"{hour} a.m.", "all night", f"{hour}pm-{hour}:30pm"])

    def money(self):
        n = self.rng.randrange(3, 99999)
        return self.pick([f"${n}", f"${n:,}.{self.rng.randrange(100):02}", f"{n} dollars", f"€{n}", f"£{n:,}",
                          f"{self.pick(ONES)} dollars", f"${n / 10:.1f} million", f"US${n}", f"{n} USD",
                          f"{self.pick(ONES)} hundred and {self.pick(ONES)} bucks", f"{n}€", f"¥{n}", f"{n} pounds",
                          f"${n}-${n + 500}", "a couple hundred dollars", f"{self.pick(ONES)} cents", f"{n}p"])

    def percent(self):
        n = self.rng.randrange(1, 100)
        return self.pick([f"{n}%", f"{n} percent", f"{n}.5 %", f"{self.pick(ONES)} per cent", f"{n}-{n + 3}%"])

    def quantity(self):
        n = self.rng.randrange(2, 900)
        return self.pick([f"{n} miles", f"{n}kg", f"{n} square feet", f"{n} km/h", f"{self.pick(ONES)} gallons",
                          f"{n}°F", f"{n}mm", f"5'{n % 12}\"", f"{n} lbs.", f"{n}GB", f"{n} m²", f"{n}x{n + 2}"])

    def phone(self):
        d = self.digits
        return self.pick([f"({d(3)}) {d(3)}-{d(4)}", f"{d(3)}-{d(3)}-{d(4)}", f"+1 {d(3)} {d(3)} {d(4)}",
                          f"{d(3)}.{d(3)}.{d(4)}", f"+44 20 {d(4)} {d(4)}", d(10), f"1-800-{d(3)}-{d(4)}",
                          " ".join(self.pick(ONES[:9]) for _ in range(7))])

    def code(self):
        d = self.digits
        letters = "".join(self.pick("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(3))
        return self.pick([f"{letters}-{d(5)}", f"#{d(7)}", f"{letters}{d(6)}", f"{d(3)}-{d(2)}-{d(4)}", d(16),
                          f"{d(4)} {d(4)} {d(4)} {d(4)}", f"{letters}/{d(3)}/{d(2)}", "-".join(letters), f"No. {d(4)}"])

    def email(self):
        user = self.pick(GIVEN).lower().replace("'", "")
        return self.pick([f"{user}@example.com", f"{user}.{self.digits(2)}@mail.example.org", f"{user}_x@acme.co.uk",
                          f"{user} at gmail dot com", f"<{user}@example.net>", f"{user}+news@example.io"])

    def url(self):
        return self.pick(["www.example.com", "https://example.com/help?id=42&x=1", "http://shop.example.co.uk/a_b",
                          "example.org", "ftp://files.example.net:21/x.tar.gz", "https://bücher.example/ä",
                          "http://203.0.113.7:8080/", "10.0.0.1", "support.example.com/login", "mailto:a@b.example"])

    def address(self):
        n = self.rng.randrange(1, 9999)
        return self.pick([f"{n} {self.pick(STREETS)}", f"{n} {self.pick(STREETS)}, Apt. {n % 40}B",
                          f"{n} {self.pick(STREETS)}, {self.pick(PLACES)} {self.digits(5)}", f"P.O. Box {n}"])

    def emoji(self):
        return self.pick(EMOJI)

    def face(self):
        return self.pick(FACES)

    def fill(self, template):
        out, rest = [], template
        while "{" in rest:
            before, rest = rest.split("{", 1)
            name, rest = rest.split("}", 1)
            out += [before, getattr(self, name)()]
        return "".join(out) + rest


WRITTEN = """{person} joined {org} in {place} on {date}.
According to {org}, revenue rose {percent} to {money} in the {ordinal} quarter.
The {group} minister met {person} near {building} at {time}.
{org} sued {org} for {money}, citing {law}.
More than {number} people left {place} after {event}.
{full}, who lives at {address}, ordered the {product} for {money}.
"We can't wait any longer," said {person}; "{date} was the deadline."
{work} was written by {person} and translated into {language}.
The flight from {place} to {place} takes {time} and costs {money}.
Please send the documents to {email} or visit {url} before {date}.
Invoice {code} ({money}) is overdue since {date}.
{place}—the largest city in {region}—grew by {percent}.
Its {number} employees work in {place}, {place}, and {place}.
He swam {quantity} across {region} on {date}!
{org}'s CEO, {full}, didn't comment.
{law} doesn't apply to {group} companies, e.g. {org}.
The {number}-page report (see {url}) cites {number} studies from {date}.
Both {full} and {full} voted against {law}.
{person} won {event} for the {ordinal} time, beating {person} {number}-{number}.
On {date}, {org} acquired {org} in a {money} deal...
Temperature: {quantity}; humidity: {percent}; place: {place}.
The {product}, priced at {money}, weighs {quantity}.
A {group} tourist was found near {region} at {time} {date}.
Dear {person}, thank you for your order {code} of {date}.
{full} ({org}) / {full} ({org}): minutes of {date}
RE: {code} -- {full} -- URGENT!!!
{full} was born in {place} on {date}, the {ordinal} of {number} children.
{region}, {region} and {building} are closed until {date}.
It's {percent} cheaper than {org}’s {product}, isn’t it?
“{place} won’t pay,” {full} told {org} on {date}.
Speaks {language} and {language}; based in {place} (GMT+2).
{org} | {place} | {date} | {money}
The {event} sale starts {date} at {time} in all {number} stores of {org}.
Ph.D. student {full} vs. {org}, No. {code}
She paid {money}/month for {quantity}, i.e. {money} in total.
By {date} the {group}-led government had spent {money} on {building}.
Signed: {full}, {address}
U.S.-based {org} and {org} co-own {product}.
Between {date} and {date}, {number} of {number} patients at {org} recovered.
{work} sold {number} copies in {place} alone.""".splitlines()

SPOKEN = """hi this is {full} from {org} how can i help you today
Hi, my name is {full} and I'm calling about my bill from {date}.
um yeah so i i paid {money} on {date} and uh it never showed up
Okay, can you spell your last name for me? Sure, it's {family_spelled}.
my phone number is {phone}
Yeah, the number's {phone}, and the email is {email}.
Thank you for calling {org}, this is {first} speaking, how may I help you?
I moved from {place} to {place} like {time} ago, you know?
so my address is {address} and the zip is uh {zip}
I'd like to speak to {person} please, I've been waiting for {time}.
no no it was {date} not {date}
You're all set, {first}. Your confirmation number is {code}.
Could you verify the last four of your social? It's {zip}.
well i told {first} at {org} that i'm not paying {money}
Is that {first} with a K or a C?
We'll refund {money} to the card ending in {zip} within {number} business days.
i was born {date} in {place}
Let me see... {product}, {quantity}, {money}. Is that right?
mhm. okay. and {first} is your husband?
He's gonna call y'all back at {time}, ain't he?
I can't, I won't, and I shouldn't've called {org} in the first place.
Gimme a sec, {first}, lemme check {building}... alright, {date} works.
do you speak {language} or {language}
that's {number} dollars and {number} cents ma'am
Right, right. So {first} said {time}, but {first} said {time}.
hello {first} its {first} again from {place}
My policy number is {code}, date of birth {date}, name {full}.
we're at {building} right now heading to {region}
Uh-huh, {percent} off, that's what the {group} guy at {org} told me on {date}.
you owe us {money} plus {percent} interest since {date}
The lady, {full}, she said "{date}, {time}" and hung up.
I have two kids, {first} and {first}, they're {number} and {number}.
what's the balance on account {code}
Good morning, Mr. {first}, I'm calling on behalf of {org} about {event}.
okay so that is k as in kilo {number} {number} and then {code}
I weigh about {quantity} and I'm {quantity} tall.
It's the {ordinal} time I've called {org} since {date}!
{first}? Hello? Can you hear me? It's {first}.
cancel my {product} order from {date} please and thank you
They're charging me {money} a month for {quantity}, that's crazy.""".splitlines()

ODD = """{face} {first} says hi {emoji}{emoji}
OMG!!! {org} sucks {face} #fail @{first} {url}
**{full}** — _{date}_ — `{code}`
[{time}] <{first}> {place}???{face}
{first}&{first}@{place}:{money}...
"{full}"("{org}")['{place}']
{money}{money} {percent}{percent}
   {first}   went  to   {place}  {date}
{first}\t{full}\t{money}\n{place}
…{place}… {date}…{face}
¿{first} vive en {place}? ¡Sí, desde {date}!
{full} wohnt seit {date} in {place}; er zahlt {money}.
{first}さんは{place}に住んでいます。{date}
{first} написал {org} в {place} — {date}.
المدير {first} في {place} دفع {money}
{first}/{first} {place}/{place} {date}->{date}
a.k.a. {full} (b. {date}; d. {date})
{quantity},{quantity};{quantity}:{quantity}
i'm ill,can't come.{first} will,i guess.{place} it is
'{first}' ‘{first}’ “{first}” «{first}» „{first}“ ``{first}''
{email},{email};{url}|{url}
({face}) ({phone}) [{code}] {{date}}
PLEASE CALL {full} AT {org} IN {place} ASAP
{number}+{number}={number} ~{number} ±{number} <{number} >{number} #{number} no.{number}
e.g.{place},i.e.{org}etc. vs.{full}
don't dont can't cant won't wont he'll hell i'd id she's {first}'s it's its
{code}{emoji}{code} {emoji}{place}{emoji}
{first}-{first}-{first} {org}-{org} re-{place} non-{group} ex-{first}
T-{number} day(s) and/or {time}+{time} @ {building}
{url}. {url}, ({url}) "{url}" {url}!
\u00a0{first}\u00a0{place}\u2003{date}\u200b{money}
ｆｕｌｌｗｉｄｔｈ {first} １２３ ⅷ ² ③ ½ {place}
e\u0301cole {first} nai\u0308ve {place} Ǆ ǅ ß ŉ İstanbul
{first}.{first}.{first} {place}.{place} v{number}.{number} .{number} {number}.
--{first}-- ---{place}--- ——{date}—— ~{money}~
$ {number} € {number} {number} $ USD{number} {number}USD Rs.{number} {number}/-""".splitlines()


def sentences(count, seed):
    """`count` sentences, mixed: two fifths written, two fifths spoken, one fifth odd."""
    rng = random.Random(seed)
    filler = Filler(rng)
    filler.zip = lambda: filler.digits(filler.pick([4, 5]))
    filler.family_spelled = lambda: "-".join(filler.pick(FAMILY).upper().replace(" ", ""))
    out, seen = [], set()
    while len(out) < count:
        pool = filler.pick([WRITTEN, WRITTEN, SPOKEN, SPOKEN, ODD])
        text = filler.fill(filler.pick(pool).replace("{{", "(").replace("}}", "}"))
        if pool is SPOKEN and rng.random() < 0.3:
            text = text.lower()
        elif rng.random() < 0.03:
            text = text.upper()
        if rng.random() < 0.1:
            text += " " + filler.fill(filler.pick(WRITTEN))
        if text not in seen:
            seen.add(text)
            out.append(text)
    return out


def alphabet_soup(count, seed):
    """Strings that nobody writes, for the tokenizer: affixes, quotes, digits and letters at random."""
    rng = random.Random(seed)
    parts = list(".,:;!?'\"()[]{}<>/-–—_#*&%$€£@+=^~`´’‘”“«»…|\\°²") + [" ", " ", "  ", "\n", "\t", "..", "...", "--",
        "'s", "’s", "n't", "'ll", "can't", "U.S.", "a.m.", "10km", "5%", "km", "A", "b", "Zz", "word", "Word", "WORD",
        "7", "42", "3.14", "1,000", "é", "ß", "Ж", "ж", "中", "日本", "ع", "अ", "가", "😀", "👍🏽", ":)", "xD", "http://",
        "www.", ".com", "a@b.co", "co.", "e.g.", "p.m.", "Mr.", "o'clock", "٣", "Ⅷ", "\u00a0", "\u200d", "\u0301"]
    return ["".join(parts[rng.randrange(len(parts))] for _ in range(rng.randrange(1, 24))) for _ in range(count)]
