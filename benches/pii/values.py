"""Values of every type, written and spoken, from Faker's data of many countries.

Each maker takes a `Source` and returns the text of one value. What is written differs as it does
among people: groupings, separators, casing, formats of dates.
"""

import hashlib
import random
import string

from faker import Faker

LOCALES = """en_US en_US en_US en_US en_GB en_GB en_AU en_CA en_IN en_NZ en_IE en_PH de_DE de_AT de_CH
fr_FR fr_CH es_ES es_MX es_CO pt_BR pt_PT it_IT nl_NL nl_BE da_DK no_NO sv_SE fi_FI pl_PL cs_CZ hu_HU
ro_RO hr_HR sl_SI tr_TR id_ID""".split()

DIGITS = "zero one two three four five six seven eight nine".split()
TENS = "x x twenty thirty forty fifty sixty seventy eighty ninety".split()
TEENS = """ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen""".split()
ORDINALS = """x first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth
thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth""".split()
NATIONS = """American British Irish Mexican Brazilian Argentinian Colombian Peruvian Chilean Spanish
Portuguese French German Dutch Belgian Swiss Austrian Italian Greek Turkish Polish Czech Hungarian
Romanian Bulgarian Croatian Serbian Swedish Norwegian Danish Finnish Icelandic Estonian Latvian
Lithuanian Ukrainian Russian Georgian Armenian Egyptian Moroccan Tunisian Nigerian Ghanaian Kenyan
Ethiopian Indian Pakistani Nepalese Thai Vietnamese Indonesian Malaysian Filipino Chinese Japanese
Korean Australian Canadian Catholic Jewish Muslim Buddhist Hindu Republican Democrat""".split()
PREFIXES = ["Mr.", "Mrs.", "Ms.", "Dr.", "Mr", "Mrs", "Ms", "Dr", "Miss", "Prof.", "Professor"]


class Source:
    """Random values that follow from a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.fakers = {}
        for locale in sorted(set(LOCALES)):
            self.fakers[locale] = Faker(locale)
            self.fakers[locale].seed_instance(self.random.random())

    def faker(self, *locales):
        return self.fakers[self.random.choice(locales or LOCALES)]

    def any(self, what):
        """Of any country that has it: not all have all."""
        while True:
            faker = self.faker()
            if hasattr(faker, what):
                return getattr(faker, what)()

    def choice(self, *values):
        return self.random.choice(values)

    def digits(self, count):
        return "".join(self.random.choice(string.digits) for _ in range(count))

    def letters(self, count):
        return "".join(self.random.choice(string.ascii_uppercase) for _ in range(count))


def name(s):
    f = s.faker()
    first, last = f.first_name(), f.last_name()
    kind = s.random.random()
    if kind < 0.06:
        return f"{first} {s.letters(1)}. {last}"
    if kind < 0.1:
        return f"{first} {f.first_name()} {last}"
    return f"{first} {last}"


def first(s):
    return s.any("first_name")


def last(s):
    return s.any("last_name")


def title(s):
    return s.choice(*PREFIXES)


def company(s):
    return s.faker("en_US", "en_US", "en_GB", "de_DE", "fr_FR", "it_IT", "nl_NL", "es_ES").company()


def city(s):
    return s.any("city")


def country(s):
    return s.faker("en_US").country()


def state(s):
    return s.faker("en_US", "en_AU", "en_IN").state()


def place(s):
    return s.choice(city, city, country, state)(s)


def address(s):
    text = s.any("address")
    return text.replace("\n", s.choice(", ", ", ", "\n"))


def street(s):
    return s.any("street_address").replace("\n", ", ")


def zipcode(s):
    return s.any("postcode")


def zip_us(s):
    return s.faker("en_US").zipcode()


def nation(s):
    return s.choice(*NATIONS)


def age(s):
    return str(s.random.randint(1, 99))


def date(s):
    form = s.choice(
        "%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%B %d, %Y", "%d %B %Y", "%b %d, %Y",
        "%d %b %Y", "%m-%d-%Y", "%B %Y", "%B %d", "%m/%d/%y", "%A, %B %d", "%Y-%m-%d %H:%M:%S",
        "%d-%b-%Y",
    )
    return s.faker("en_US").date_time_between("-60y").strftime(form)


def birth(s):
    form = s.choice("%Y-%m-%d", "%m/%d/%Y", "%B %d, %Y", "%d %B %Y", "%d/%m/%Y", "%d.%m.%Y")
    return s.faker("en_US").date_of_birth().strftime(form)


def weekday(s):
    return s.faker("en_US").day_of_week()


def phone(s):
    return s.any("phone_number")


def phone_us(s):
    area, mid, end = s.digits(3), s.digits(3), s.digits(4)
    area, mid = "23456789"[int(area[0]) % 8] + area[1:], "23456789"[int(mid[0]) % 8] + mid[1:]
    form = s.choice("({a}) {m}-{e}", "{a}-{m}-{e}", "{a}.{m}.{e}", "{a} {m} {e}", "+1 {a} {m} {e}",
                    "1-{a}-{m}-{e}", "{a}{m}{e}", "+1-{a}-{m}-{e}", "{a}/{m}-{e}")
    return form.format(a=area, m=mid, e=end)


def card(s):
    number = s.faker("en_US").credit_card_number()
    form = s.random.random()
    if form < 0.4 and len(number) == 16:
        sign = s.choice(" ", "-")
        return sign.join(number[at : at + 4] for at in range(0, 16, 4))
    return number


def cvv(s):
    return s.digits(3)


def expiry(s):
    return s.faker("en_US").credit_card_expire()


def email(s):
    return s.any("email")


def url(s):
    f = s.faker("en_US", "de_DE", "fr_FR", "en_GB")
    return s.choice(f.url, f.domain_name, lambda: "www." + f.domain_name(), f.uri)()


def iban(s):
    text = s.faker("en_GB", "de_DE", "fr_FR", "it_IT", "es_ES", "nl_NL", "pl_PL", "no_NO", "de_AT").iban()
    if s.random.random() < 0.4:
        return " ".join(text[at : at + 4] for at in range(0, len(text), 4))
    return text


def ip(s):
    f = s.faker("en_US")
    return s.choice(f.ipv4, f.ipv4, f.ipv6)()


def mac(s):
    return s.faker("en_US").mac_address()


def ssn(s):
    text = s.faker("en_US").ssn()
    return s.choice(text, text, text.replace("-", " "))


def itin(s):
    return s.faker("en_US").itin()


def license(s):
    return s.choice(
        s.letters(1) + s.digits(7), s.letters(1) + s.digits(12), s.digits(9), s.digits(8),
        s.letters(2) + s.digits(6), s.letters(1) + s.digits(8),
    )


def passport(s):
    return s.choice(s.digits(9), s.letters(1) + s.digits(8))


def bank(s):
    return s.digits(s.random.randint(8, 14))


def routing(s):
    return s.faker("en_US").aba()


def reference(s):
    return s.choice(s.digits(6), s.digits(8), s.letters(2) + "-" + s.digits(6), s.letters(3) + s.digits(5))


def plate(s):
    return s.faker("en_US", "en_GB").license_plate()


def vin(s):
    return s.faker("en_US").vin()


def swift(s):
    return s.faker("en_GB", "de_DE").swift()


def bitcoin(s):
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    raw = b"\0" + bytes(s.random.randrange(256) for _ in range(20))
    raw += hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = alphabet[rest] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def nhs(s):
    while True:
        digits = s.digits(9)
        check = 11 - sum(int(d) * (10 - at) for at, d in enumerate(digits)) % 11
        if check != 10:
            number = digits + str(0 if check == 11 else check)
            return s.choice(number, f"{number[:3]} {number[3:6]} {number[6:]}")


def user(s):
    return s.faker("en_US", "de_DE", "es_ES").user_name()


def password(s):
    return s.faker("en_US").password(length=s.random.randint(8, 12), special_chars=False)


def pin(s):
    return s.digits(4)


# Spoken: what a speech recognizer writes of what is said.


def in_words(number):
    if number < 10:
        return DIGITS[number]
    if number < 20:
        return TEENS[number - 10]
    if number < 100:
        return TENS[number // 10] + (" " + DIGITS[number % 10] if number % 10 else "")
    rest = number % 100
    return DIGITS[number // 100] + " hundred" + (" " + in_words(rest) if rest else "")


def say(s, digits, group=3):
    """Digits one by one, in groups, with doubles, ohs and a filler here and there."""
    zero = s.choice("zero", "oh")
    words = [zero if digit == "0" else DIGITS[int(digit)] for digit in digits if digit.isdigit()]
    style = s.random.random()
    if style < 0.25:
        at, shorter = 0, []
        while at < len(words):
            if at + 1 < len(words) and words[at] == words[at + 1]:
                shorter.append("double " + words[at])
                at += 2
            else:
                shorter.append(words[at])
                at += 1
        words = shorter
    if style < 0.5:
        return " ".join(words)
    groups = [" ".join(words[at : at + group]) for at in range(0, len(words), group)]
    return s.choice(", ", " ", " uh ").join(groups) if style < 0.8 else ", ".join(groups)


def said_card(s):
    return say(s, s.faker("en_US").credit_card_number("visa16"), 4)


def said_phone(s):
    return say(s, "".join(d for d in phone_us(s) if d.isdigit())[-10:])


def said_ssn(s):
    return say(s, s.faker("en_US").ssn())


def said_zip(s):
    return say(s, s.faker("en_US").zipcode()[:5], 5)


def said_pin(s):
    return say(s, pin(s), 4)


def said_cvv(s):
    return say(s, cvv(s), 3)


def said_bank(s):
    return say(s, bank(s), 3)


def said_routing(s):
    return say(s, routing(s), 3)


def said_reference(s):
    return say(s, s.digits(s.random.randint(6, 8)), 3)


def said_email(s):
    f = s.faker("en_US")
    local = s.choice(
        f"{f.first_name()} dot {f.last_name()}", f"{f.first_name()} {s.random.randint(10, 99)}",
        f"{f.first_name()} underscore {f.last_name()}", f.last_name(),
    ).lower()
    return f"{local} at {s.choice('gmail', 'yahoo', 'outlook', 'hotmail')} dot com"


def said_date(s):
    when = s.faker("en_US").date_of_birth(minimum_age=0)
    day = ORDINALS[when.day] if when.day <= 20 else f"{TENS[when.day // 10]} {ORDINALS[when.day % 10]}"
    if when.day == 30:
        day = "thirtieth"
    year = f"nineteen {in_words(when.year % 100)}" if when.year < 2000 else f"two thousand {in_words(when.year % 100)}"
    if when.year % 100 == 0:
        year = "nineteen hundred" if when.year < 2000 else "two thousand"
    elif when.year < 2000 and when.year % 100 < 10:
        year = f"nineteen oh {in_words(when.year % 100)}"
    return f"{when.strftime('%B')} {day} {year}".replace("twenty x", "twentieth")


def said_age(s):
    return in_words(s.random.randint(2, 99))


def said_street(s):
    f = s.faker("en_US")
    number = s.random.randint(1, 99)
    if s.random.random() < 0.6:
        spoken = f"{in_words(s.random.randint(1, 99))} {in_words(number) if number >= 10 else 'oh ' + DIGITS[number]}"
    else:
        spoken = in_words(number)
    return f"{spoken} {f.street_name()}"


def said_spelled(s):
    return s.choice("-", " ", ", ").join(last_ascii(s).upper())


def last_ascii(s):
    while True:
        text = s.faker("en_US").last_name()
        if text.isalpha():
            return text


#: What a field of a template is: its type, and what makes it.
FIELDS = {
    "name": ("PERSON", name),
    "first": ("PERSON", first),
    "last": ("PERSON", last),
    "title": ("TITLE", title),
    "company": ("ORGANIZATION", company),
    "place": ("LOCATION", place),
    "city": ("LOCATION", city),
    "country": ("LOCATION", country),
    "state": ("LOCATION", state),
    "address": ("STREET_ADDRESS", address),
    "street": ("STREET_ADDRESS", street),
    "zip": ("ZIP_CODE", zipcode),
    "zipus": ("ZIP_CODE", zip_us),
    "nation": ("NRP", nation),
    "age": ("AGE", age),
    "date": ("DATE_TIME", date),
    "birth": ("DATE_OF_BIRTH", birth),
    "weekday": ("DATE_TIME", weekday),
    "phone": ("PHONE_NUMBER", phone),
    "phoneus": ("PHONE_NUMBER", phone_us),
    "card": ("CREDIT_CARD", card),
    "cvv": ("CVV", cvv),
    "expiry": ("CREDIT_CARD_EXPIRATION", expiry),
    "email": ("EMAIL_ADDRESS", email),
    "url": ("URL", url),
    "iban": ("IBAN_CODE", iban),
    "ip": ("IP_ADDRESS", ip),
    "mac": ("MAC_ADDRESS", mac),
    "ssn": ("US_SSN", ssn),
    "itin": ("US_ITIN", itin),
    "license": ("US_DRIVER_LICENSE", license),
    "passport": ("US_PASSPORT", passport),
    "bank": ("US_BANK_NUMBER", bank),
    "routing": ("US_BANK_NUMBER", routing),
    "reference": ("REFERENCE_NUMBER", reference),
    "plate": ("LICENSE_PLATE", plate),
    "vin": ("VIN", vin),
    "swift": ("SWIFT_CODE", swift),
    "bitcoin": ("CRYPTO", bitcoin),
    "nhs": ("UK_NHS", nhs),
    "user": ("USERNAME", user),
    "password": ("PASSWORD", password),
    "pin": ("PASSWORD", pin),
    "said_card": ("CREDIT_CARD", said_card),
    "said_phone": ("PHONE_NUMBER", said_phone),
    "said_ssn": ("US_SSN", said_ssn),
    "said_zip": ("ZIP_CODE", said_zip),
    "said_pin": ("PASSWORD", said_pin),
    "said_cvv": ("CVV", said_cvv),
    "said_bank": ("US_BANK_NUMBER", said_bank),
    "said_routing": ("US_BANK_NUMBER", said_routing),
    "said_reference": ("REFERENCE_NUMBER", said_reference),
    "said_email": ("EMAIL_ADDRESS", said_email),
    "said_birth": ("DATE_OF_BIRTH", said_date),
    "said_date": ("DATE_TIME", said_date),
    "said_age": ("AGE", said_age),
    "said_street": ("STREET_ADDRESS", said_street),
    "said_spelled": ("PERSON", said_spelled),
}
