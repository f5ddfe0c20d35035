"""The reader's word lists: what abbreviations, units, currencies, symbols and acronyms are when read aloud."""
import re

# With a full stop, before or after any word; lower case as looked up. Capitals in values are names of letters.
ABBREVIATIONS = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "messrs": "messieurs", "prof": "professor",
    "drs": "doctors", "gov": "governor", "jr": "junior", "sr": "senior", "esq": "esquire", "ltd": "limited",
    "corp": "corporation", "inc": "incorporated", "bros": "brothers", "dept": "department", "univ": "university",
    "assn": "association", "govt": "government", "vs": "versus", "etc": "et cetera", "cf": "compare",
    "viz": "namely", "ibid": "ibidem", "approx": "approximately", "incl": "including", "excl": "excluding",
    "dist": "district", "blvd": "boulevard", "ave": "avenue", "pkwy": "parkway", "hwy": "highway",
    "sqn": "squadron", "supt": "superintendent", "brig": "brigadier", "cpl": "corporal", "sgt": "sergeant",
    "capt": "captain", "cmdr": "commander", "lieut": "lieutenant", "maj": "major", "pvt": "private",
    "jan": "january", "feb": "february", "aug": "august", "sept": "september", "oct": "october", "nov": "november",
    "dec": "december", "tues": "tuesday", "thurs": "thursday", "abbr": "abbreviation", "misc": "miscellaneous"}
# With a full stop and a capital of their own, and only before a capital ("Gen. Lee", not "the gen. public").
TITLES = {
    "dr": "doctor", "gen": "general", "col": "colonel", "lt": "lieutenant", "rev": "reverend", "hon": "honorable",
    "sen": "senator", "rep": "representative", "pres": "president", "st": "saint", "sts": "saints", "ft": "fort",
    "mt": "mount", "fr": "father", "adm": "admiral", "insp": "inspector", "det": "detective", "pt": "point",
    "prof": "professor", "profs": "professors", "gov": "governor", "capt": "captain",
    "sgt": "sergeant", "maj": "major", "cpl": "corporal", "cmdr": "commander", "pvt": "private",
    "supt": "superintendent",
    "brig": "brigadier", "mr": "mister", "mrs": "missus", "ms": "miz", "messrs": "messieurs", "drs": "doctors",
    "mx": "mix", "mme": "madame", "mlle": "mademoiselle"}
# Without any full stop, before a capital ("Mr Smith").
BARE_TITLES = {"mr": "mister", "mrs": "missus", "ms": "miz", "dr": "doctor", "prof": "professor", "st": "saint",
               "mt": "mount", "vs": "versus", "messrs": "messieurs", "sgt": "sergeant", "capt": "captain",
               "jr": "junior"}
# With a full stop and a capital, after a name and not before one ("5 Main St.").
STREETS = {"st": "street", "dr": "drive", "rd": "road", "ct": "court", "ln": "lane", "sq": "square", "pl": "place",
           "hts": "heights", "ter": "terrace", "cir": "circle", "co": "company", "mt": "mountain", "ft": "fort"}
# Before a figure or a roman numeral: (one, several) of them.
BEFORE_NUMBERS = {
    "no": "number", "nos": "numbers", "p": "page", "pp": "pages", "pg": "page", "vol": "volume", "vols": "volumes",
    "ch": "chapter", "chap": "chapter", "fig": "figure", "figs": "figures", "sec": "section", "art": "article",
    "eq": "equation", "ca": "circa", "c": "circa", "est": "established", "ed": "edition", "v": "verse",
    "ext": "extension", "apt": "apartment", "ste": "suite", "rm": "room", "fl": "floor", "tel": "telephone",
    "app": "appendix", "para": "paragraph", "pt": "part", "op": "opus", "ver": "version", "rte": "route",
    "b": "born", "d": "died", "r": "reigned", "lev": "leviticus", "gen": "genesis", "matt": "matthew",
    "mon": "monday", "tue": "tuesday", "wed": "wednesday", "thu": "thursday", "thur": "thursday", "fri": "friday",
    "sat": "saturday", "sun": "sunday", "jan": "january", "feb": "february", "mar": "march", "apr": "april",
    "jun": "june", "jul": "july", "aug": "august", "sep": "september", "sept": "september", "oct": "october",
    "nov": "november", "dec": "december"}
# Several letters with stops between them that are not said letter by letter.
DOTTED = {"e.g.": "for example", "i.e.": "that is", "a.k.a.": "also known as", "ph.d.": "P H D", "ph.d.s.": "P H D's",
          "ph.ds": "P H D's", "ed.d.": "E D D", "ll.b.": "L L B", "ll.d.": "L L D", "b.sc.": "B S C", "m.sc.": "M S C",
          "d.phil.": "D phil", "m.phil.": "M phil", "litt.d.": "lit D", "w.r.t.": "with respect to",
          "et al.": "et al", "op. cit.": "opus cited", "n.b.": "N B", "c.f.": "compare", "ps.d.": "P S D",
          "lt. col.": "lieutenant colonel", "lt. gov.": "lieutenant governor", "sq. ft.": "square feet",
          "sq. mi.": "square miles", "sq. km.": "square kilometers", "p.m.": "P M", "a.m.": "A M"}

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")
WEEKDAYS = frozenset("mon tue wed thu thur fri sat sun".split())  # as they are shortened in BEFORE_NUMBERS

MAGNITUDES = {"hundred": "hundred", "thousand": "thousand", "million": "million", "millions": "million",
              "billion": "billion", "trillion": "trillion", "quadrillion": "quadrillion", "k": "thousand",
              "m": "million", "mn": "million", "mm": "million", "mio": "million", "b": "billion", "bn": "billion",
              "t": "trillion", "tn": "trillion"}
# Sign: (one, several, one of the hundredths, several of them)
CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"), "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"), "₹": ("rupee", "rupees", "paisa", "paise"),
    "¥": ("yen", "yen", "", ""), "₩": ("won", "won", "", ""), "₽": ("ruble", "rubles", "kopeck", "kopecks"),
    "₿": ("bitcoin", "bitcoins", "", ""), "₺": ("lira", "lira", "", ""), "₴": ("hryvnia", "hryvnias", "", ""),
    "₪": ("shekel", "shekels", "", ""), "₫": ("dong", "dong", "", ""), "₦": ("naira", "naira", "", "")}
DOLLARS_OF = {"US": "U S", "A": "australian", "AU": "australian", "C": "canadian", "CA": "canadian", "NZ": "N Z",
              "HK": "hong kong", "S": "singapore"}

_METRIC = {"m": ("meter", "meters"), "g": ("gram", "grams"), "l": ("liter", "liters"), "L": ("liter", "liters"),
           "W": ("watt", "watts"), "V": ("volt", "volts"), "Hz": ("hertz", "hertz"), "Wh": ("watt hour", "watt hours"),
           "J": ("joule", "joules"), "Pa": ("pascal", "pascals"), "s": ("second", "seconds"), "A": ("amp", "amps"),
           "Ah": ("amp hour", "amp hours"), "cal": ("calorie", "calories"), "bit": ("bit", "bits"), "Ω": ("ohm",
           "ohms"),
           "bps": ("bit per second", "bits per second"), "bit/s": ("bit per second", "bits per second"),
           "B": ("byte", "bytes"), "B/s": ("byte per second", "bytes per second"), "mol": ("mole", "moles"),
           "eV": ("electron volt", "electron volts"), "N": ("newton", "newtons"), "b": ("bit", "bits"),
           "b/s": ("bit per second", "bits per second"), "pc": ("parsec", "parsecs"), "t": ("ton", "tons")}
_PREFIXED = {  # unit: the prefixes it is seen with; "" is the unit alone
    "m": ("", "k", "c", "m", "n", "µ", "d"), "g": ("", "k", "m", "µ", "n"), "l": ("", "m", "c", "d", "h"),
    "L": ("", "m", "d", "µ"), "W": ("", "k", "m", "M", "G", "T"), "V": ("", "k", "m"), "Hz": ("", "k", "M", "G", "T"),
    "Wh": ("", "k", "M", "G", "T"), "J": ("", "k", "M"), "Pa": ("", "k", "h", "M", "G"), "s": ("", "m", "µ", "n", "p"),
    "A": ("m",), "Ah": ("m",), "cal": ("", "k"), "bit": ("", "k", "M", "G"), "bps": ("", "k", "M", "G", "T"),
    "bit/s": ("", "k", "M", "G"), "B": ("k", "K", "M", "G", "T", "P"), "B/s": ("k", "K", "M", "G"), "mol": ("", "m"),
    "eV": ("", "k", "M", "G"), "N": ("k",), "b": ("M", "G"), "b/s": ("k", "M", "G"), "pc": ("k", "M"),
    "t": ("", "k"), "Ω": ("", "k", "M")}
_PREFIXES = {"": "", "k": "kilo", "K": "kilo", "c": "centi", "m": "milli", "n": "nano", "µ": "micro", "d": "deci",
             "h": "hecto", "M": "mega", "G": "giga", "T": "tera", "P": "peta", "p": "pico"}
UNITS = {prefix + unit: (_PREFIXES[prefix] + _METRIC[unit][0], _PREFIXES[prefix] + _METRIC[unit][1])
         for unit, prefixes in _PREFIXED.items() for prefix in prefixes}
UNITS |= {
    "mi": ("mile", "miles"), "ft": ("foot", "feet"), "yd": ("yard", "yards"), "yds": ("yard", "yards"),
    "in": ("inch", "inches"), "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "oz": ("ounce", "ounces"),
    "fl oz": ("fluid ounce", "fluid ounces"), "fl. oz": ("fluid ounce", "fluid ounces"),
    "gal": ("gallon", "gallons"), "qt": ("quart", "quarts"), "pt": ("point", "points"), "pts": ("point", "points"),
    "tsp": ("teaspoon", "teaspoons"), "tbsp": ("tablespoon", "tablespoons"), "nmi": ("nautical mile", "nautical miles"),
    "sec": ("second", "seconds"), "secs": ("second", "seconds"), "min": ("minute", "minutes"),
    "mins": ("minute", "minutes"), "h": ("hour", "hours"), "hr": ("hour", "hours"), "hrs": ("hour", "hours"),
    "wk": ("week", "weeks"), "wks": ("week", "weeks"), "mo": ("month", "months"), "yr": ("year", "years"),
    "yrs": ("year", "years"), "mph": ("mile per hour", "miles per hour"), "mpg": ("mile per gallon",
    "miles per gallon"),
    "kph": ("kilometer per hour", "kilometers per hour"), "kmh": ("kilometer per hour", "kilometers per hour"),
    "fps": ("frame per second", "frames per second"), "rpm": ("revolution per minute", "revolutions per minute"),
    "bpm": ("beat per minute", "beats per minute"), "dpi": ("dot per inch", "dots per inch"),
    "ppm": ("part per million", "parts per million"), "px": ("pixel", "pixels"), "dB": ("decibel", "decibels"),
    "psi": ("pound per square inch", "pounds per square inch"), "hp": ("horsepower", "horsepower"),
    "bar": ("bar", "bars"), "ha": ("hectare", "hectares"), "ac": ("acre", "acres"), "kn": ("knot", "knots"),
    "sq ft": ("square foot", "square feet"), "sq. ft": ("square foot", "square feet"), "sqft": ("square foot",
    "square feet"),
    "sq mi": ("square mile", "square miles"), "sq. mi": ("square mile", "square miles"),
    "sq km": ("square kilometer", "square kilometers"), "sq m": ("square meter", "square meters"),
    "cc": ("C C", "C C"), "MP": ("megapixel", "megapixels"), "carat": ("carat", "carats"), "ct": ("carat", "carats"),
    "USD": ("U S dollar", "U S dollars"), "EUR": ("euro", "euros"), "GBP": ("pound", "pounds"), "JPY": ("yen", "yen"),
    "CHF": ("swiss franc", "swiss francs"), "CNY": ("yuan", "yuan"), "INR": ("rupee", "rupees"),
    "CAD": ("canadian dollar", "canadian dollars"), "AUD": ("australian dollar", "australian dollars"),
    "¢": ("cent", "cents"), "€": ("euro", "euros"), "£": ("pound", "pounds"), "$": ("dollar", "dollars"),
    "¥": ("yen", "yen"), "₹": ("rupee", "rupees"), "%": ("percent", "percent"), "‰": ("per mille", "per mille"),
    "°": ("degree", "degrees"), "°C": ("degree celsius", "degrees celsius"), "℃": ("degree celsius", "degrees celsius"),
    "°F": ("degree fahrenheit", "degrees fahrenheit"), "℉": ("degree fahrenheit", "degrees fahrenheit"),
    "° C": ("degree celsius", "degrees celsius"), "° F": ("degree fahrenheit", "degrees fahrenheit"),
    "°N": ("degree north", "degrees north"), "°S": ("degree south", "degrees south"),
    "°E": ("degree east", "degrees east"), "°W": ("degree west", "degrees west"), "K": ("kelvin", "kelvin")}
UNITS |= {unit.replace("µ", other): names for unit, names in UNITS.items() for other in ("u", "μ") if "µ" in unit}
ATTACHED_ONLY = frozenset({"in"})  # "5in" is five inches, "5 in" need not be
HYPHENATED_UNITS = frozenset("km cm mm kg mg lb lbs oz ft yd mph min sec hr GB MB TB MHz GHz kHz Hz kW MW kWh ml "
                             "mL".split())
SPACED_ONLY = frozenset({"K", "pt", "t", "pts"})  # "300 K" is kelvin, "300K" thousands
SQUARED = {"2": "square", "²": "square", "^2": "square", "3": "cubic", "³": "cubic", "^3": "cubic"}

FRACTIONS = {"2": ("half", "halves"), "4": ("quarter", "quarters")}

# Signs that are words wherever they stand alone.
SIGNS = {
    "&": "and", "@": "at", "%": "percent", "+": "plus", "=": "equals", "×": "times", "÷": "divided by",
    "±": "plus or minus", "−": "minus", "≈": "approximately", "≠": "is not equal to", "≤": "is at most",
    "≥": "is at least", "<": "less than", ">": "greater than", "°": "degrees", "§": "section", "¶": "paragraph",
    "©": "copyright", "√": "the square root of", "∞": "infinity", "→": "to", "←": "from", "∑": "the sum of",
    "∫": "the integral of", "∂": "partial", "²": "squared", "³": "cubed", "№": "number", "#": "number",
    "\\": "backslash",
    "/": "slash", "‰": "per mille", "¢": "cents", "µ": "micro", "℃": "degrees celsius",
    "℉": "degrees fahrenheit", "♯": "sharp", "♭": "flat", **{sign: names[1] for sign, names in CURRENCIES.items()}}
GREEK = dict(zip("αβγδεζηθικλμνξοπρστυφχψωΩΔΣΠΦΨΛΓΘ", (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi chi "
    "psi omega omega delta sigma pi phi psi lambda gamma theta").split()))

# Acronyms in capitals that CMUdict has under other words, or as words, yet are spelled letter by letter.
SPELLED = frozenset("AI US UN ID LED GPS GDP NGO MC SEC RAF SOS ET AD EV OS OT PA PO POW TA CT FYI DOB AKA GED VAT IT "
                    "AAA USA LCD ER LA MA UAE EST PST MST MS PT TV UI UX DO NE AM".split())
# of these, words in a text all in capitals
ALSO_WORDS = frozenset("US IT ER ET LA MA AM DO ID PA TA AD NE SEC LED".split())
# Acronyms that are said as words although CMUdict does not know them, or otherwise than it says.
PRONOUNCED = {
    "NASA": "nasa", "JPEG": "jay peg", "JPG": "jay peg", "JSON": "jason", "YAML": "yam ul", "GUI": "gooey",
    "GIF": "gif",
    "COVID": "covid", "SCOTUS": "scotus", "POTUS": "potus", "FOMO": "fomo", "HIPAA": "hippa", "UEFA": "you eff a",
    "CAPTCHA": "captcha", "WYSIWYG": "wizzy wig", "RAID": "raid", "MIDI": "middy", "WIFI": "why fye", "OK": "O K",
    "IEEE": "I triple E", "AAA": "triple A", "NAACP": "N double A C P", "NVIDIA": "nvidia", "CMOS": "see moss",
    "NATO": "nato", "UNESCO": "unesco", "UNICEF": "unicef", "MOMA": "moma", "CDROM": "C D rom", "DARE": "dare"}

# After these words a capital or small roman numeral is a number: "chapter IV", "page xiv".
NUMBERED = frozenset("page pages p pp chapter chapters ch part parts pt volume volumes vol book books act scene "
                     "section sec "
                     "sections article articles appendix figure fig table phase type class title stage canto verse "
                     "lesson unit "
                     "psalm war bowl grade category level item episode season round mark rocky apollo saturn rule note "
                     "column plate division schedule amendment exhibit no number".split())
# After these names a roman numeral is an ordinal: "Henry VIII".
MONARCHS = frozenset("henry george william james charles edward richard louis john paul pius benedict gregory leo "
                     "innocent "
                     "urban clement alexander nicholas catherine elizabeth mary ivan peter frederick wilhelm philip "
                     "ferdinand "
                     "alfonso carlos juan napoleon otto leopold albert victor emmanuel gustav christian harald olaf "
                     "haakon "
                     "ramses ramesses thutmose amenhotep ptolemy cleopatra darius xerxes antiochus constantine "
                     "justinian "
                     "theodosius basil leon boniface sixtus julius adrian martin stephen eugene robert david "
                     "malcolm kenneth "
                     "duncan margaret christina joseph franz maximilian rudolf sigismund umberto baldwin conrad mehmed "
                     "suleiman selim murad abdul rama king queen pope emperor tsar czar".split())

# Endings of internet names, and how they are said after "dot".
DOMAINS = {"com": "com", "org": "org", "net": "net", "info": "info", "biz": "biz", "name": "name", "gov": "gov",
           "edu": "E D U", "mil": "mil", "co": "co", "io": "I O", "ai": "A I", "app": "app", "dev": "dev", "me": "me",
           "tv": "T V",
           "int": "int", "eu": "E U", "xyz": "X Y Z", "online": "online", "shop": "shop", "blog": "blog",
           "museum": "museum",
           **{code: " ".join(code.upper()) for code in
              "uk us de fr es ca au jp cn ru br se nl ch be at dk fi pl cz gr pt ie nz za kr mx ar cl tr il ua gg "
              "ly fm".split()}}
FILES = {"js": "J S", "py": "P Y", "txt": "T X T", "pdf": "P D F", "doc": "doc", "docx": "doc X", "exe": "E X E",
    "html": "H T M L",
         "css": "C S S", "jpg": "jay peg", "jpeg": "jay peg", "png": "P N G", "gif": "gif", "mp3": "M P three",
         "zip": "zip",
         "csv": "C S V", "json": "jason", "md": "M D", "cpp": "C P P", "wav": "wave", "xml": "X M L", "sh": "S H",
         "yaml": "yam ul"}
URL_SIGNS = {".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", "?": "question mark", "=": "equals",
             "&": "and", "#": "hash", "~": "tilde", "%": "percent", ":": "colon", "+": "plus"}
ELISIONS = frozenset("'tis 'twas 'twere 'twill 'twould 'em 'cause 'til 'bout 'round 'neath 'gainst 'n 'n' 'kay 'un "
                     "'ere 'tween".split())
# Before such a word a full stop after initials ends the sentence ("in the U.S. She left"; not "the U.S. Army").
STARTERS = ("The|A|An|He|She|It|We|They|I|You|This|That|These|Those|There|Then|But|And|Or|So|If|In|On|At|When|While|"
            "As|For|"
            "After|Before|What|Who|Where|Why|How|His|Her|Its|Our|Their|My|Your|No|Yes|Not|Is|Are|Was|Were|Do|Does|"
            "Did|Let|"
            "Now|However|Nobody|Everyone|One|Some|Many|Most|All|Both|Each|Every|With|From|By|To|Here|Once|Later|Today")
# Written shapes that no rule would read.
SHAPES = {"w/o": "without", "w/": "with", "24/7": "twenty-four seven", "and/or": "and or", "he/she": "he or she",
          "she/he": "she or he", "his/her": "his or her", "him/her": "him or her", "s/he": "she or he", "n/a": "N A",
          "km/h": "kilometers per hour", "m/s": "meters per second", "c/o": "care of", "a/c": "A C", "i/o": "I O",
          "b/c": "because", "AT&T": "A T and T", "R&D": "R and D", "Q&A": "Q and A", "R&B": "R and B", "B&B": "B and B",
          "C++": "C plus plus", "C#": "C sharp", "F#": "F sharp", ".NET": "dot net", "PhD": "P H D", "PhDs": "P H D's",
          "BSc": "B S C", "MSc": "M S C", "OK'd": "okayed", "mph": "miles per hour", "kg": "kilograms",
          "km": "kilometers",
          "o'clock": "o'clock", "rock'n'roll": "rock and roll", "'n'": "and", "vs": "versus", "Wi-Fi": "why fye",
          "WiFi": "why fye", "wifi": "why fye", "e-mail": "email", "E-mail": "email", "e-mails": "emails",
          "iOS": "I O S", "macOS": "mac O S", "et al": "et al"}

_NUMERAL = re.compile(r"\s?#?(?:\d|[ivxlcIVXLC]+\b)")
_SENTENCE_OF_I = re.compile(r"\s?I(?:'|\s+[a-z])")


def has_number(abbreviation: str, text: str, stop: int) -> bool:
    """True if an abbreviation of BEFORE_NUMBERS, whose full stop ends at `stop`, stands before a figure or a roman one.

    "No. 7" and "Vol. I of", but not "No. I am" and "No. I'm", where a sentence begins.
    """
    if abbreviation == "no" and _SENTENCE_OF_I.match(text, stop):
        return False
    return abbreviation in BEFORE_NUMBERS and bool(_NUMERAL.match(text, stop))
