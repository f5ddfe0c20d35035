"""Kinds of written text, each with words of its own, and traps for rules that are too eager."""
import pytest

from text.cleaners import english_reader

CASES = {
    "ratios and powers": {
        "a scale of 1:40,000": "a scale of one to forty thousand",
        "7 × 10^22 kg": "seven times ten to the twenty-second kilograms",
        "10^-3 and 10⁶ and 4⁻²": "ten to the minus three and ten to the sixth and four to the minus two",
        "an error of 4.5e-7": "an error of four point five times ten to the minus seven",
        "x^3 + y²": "x cubed plus y squared", "a 70:30 split": "a seventy to thirty split",
        "in 19:42": "in nineteen forty-two", "in 71:09": "in seventy-one oh nine"},
    "grouping": {
        "₹2,75,000": "two hundred seventy-five thousand rupees",
        "1.400.000 people": "one million four hundred thousand people",
        "€1.999,95": "one thousand nine hundred ninety-nine euros and ninety-five cents",
        "$3.459": "three point four five nine dollars", "12 500 seats": "twelve thousand five hundred seats",
        "room 12 500": "room twelve five hundred"},
    "codes": {
        "a Boeing 757-200": "a boeing seven fifty-seven two hundred",
        "a score of 747": "a score of seven hundred forty-seven", "0x2A": "zero x two a",
        "ZIP code 02139": "zip code zero two one three nine",
        "Reno, NV 89501": "reno, nevada eight nine five zero one", "1-800-GO-FEDEX": "one eight hundred, go, fedex",
        "ISBN 0-19-853453-1": "i s b n zero one nine eight five three four five three one",
        "Python 3.12": "python three point twelve", "a price of 3.12": "a price of three point one two",
        "221B Baker Street": "two twenty-one b baker street", "exit 12B": "exit twelve b",
        "802.11n": "eight oh two dot eleven n", "20 W. 34th St.": "twenty west thirty-fourth street.",
        "20 W of power": "twenty watts of power", "at 3M in May": "at three m in may",
        "It has 3M users.": "it has three million users.", "finished 8-5-3": "finished eight five and three",
        "Call 555-1212 x9": "call five five five, one two one two extension nine"},
    "dates and times": {
        "due 4/30": "due april thirtieth", "3/4 of it": "three quarters of it",
        "on 12-31-1999": "on december thirty-first, nineteen ninety-nine",
        "on 31-12-1999": "on december thirty-first, nineteen ninety-nine",
        "2020/02/29": "february twenty-ninth, twenty twenty", "the 9-11 attacks": "the nine eleven attacks",
        "pages 9-11": "pages nine to eleven", "the 2006-07 season": "the two thousand six to oh seven season",
        "at 2100 hrs": "at twenty-one hundred hours", "Mon-Thu": "monday to thursday", "by Tue.": "by tuesday.",
        "the sun sat low": "the sun sat low", "in Apr. and Aug.": "in april and august.",
        "Jan and Mar sat": "jan and mar sat", "Feb. 3": "february third", "class of '04": "class of oh four"},
    "money and rates": {
        "three $5 notes": "three five dollar notes", "the $5 he owes": "the five dollars he owes",
        "$12/hr": "twelve dollars per hour", "5 times/week": "five times per week", "he/she": "he or she",
        "$10s of thousands": "tens of thousands of dollars", "100s of men": "hundreds of men",
        "cut by 50 bps": "cut by fifty basis points",
        "a modem of 2400 bps": "a modem of two thousand four hundred bits per second"},
    "keys, rooms and courses": {
        "The code is 7304, not 7403.": "the code is seven three zero four, not seven four zero three.",
        "PIN: 8080": "pin: eight zero eight zero", "invoice no. 30418": "invoice number three zero four one eight",
        "order 20000 of them": "order twenty thousand of them", "order 1200 chairs": "order twelve hundred chairs",
        "ticket #K-40127": "ticket number k four zero one two seven", "#winter": "hashtag winter",
        "a card ending in 5530": "a card ending in five five three zero",
        "ext. 306": "extension three oh six", "We are 10-2 this season.": "we are ten and two this season.",
        "a 10-2 win": "a ten to two win",
        "Room 204 or 210": "room two oh four or two hundred ten", "Suite 300": "suite three hundred",
        "Chemistry 101": "chemistry one oh one", "in 101 ways": "in one hundred one ways"},
    "lengths of time": {
        "a time of 3:00:17": "a time of three hours and seventeen seconds",
        "at 3:15:17": "at three fifteen and seventeen seconds",
        "1h 20m": "one hour twenty minutes", "2 hrs 1 min": "two hours one minute",
        "3h 5m 1s": "three hours five minutes one second",
        "20m wide": "twenty meters wide", "the year 1088 and": "the year ten eighty-eight and",
        "a 1088 page book": "a one thousand eighty-eight page book",
        "ran a 10K": "ran a ten k", "the 30K words": "the thirty thousand words"},
    "amounts before a noun": {
        "a 256GB SSD": "a two hundred fifty-six gigabyte s s d",
        "256GB of RAM": "two hundred fifty-six gigabytes of ram",
        "Sr. staff": "senior staff", "Sr. Ann": "sister ann", "Ed Low Sr. left": "ed low senior left"},
    "measures": {
        "2/3 tsp sugar": "two thirds teaspoon sugar", "6 ft 3 in tall": "six feet three inches tall",
        "2 c. rice": "two cups rice", "4 T butter": "four tablespoons butter",
        "a 27\" screen": "a twenty-seven inch screen", "a 10' wall": "a ten foot wall",
        "It was 88F.": "it was eighty-eight degrees fahrenheit.", "seat 12F": "seat twelve f",
        "12°30'15\" S": "twelve degrees thirty minutes fifteen seconds south", "1 pt cream": "one pint cream",
        "12 pt type": "twelve point type", "5 mg q8h": "five milligrams every eight hours",
        "a 9V one": "a nine volt one", "3 in of tape": "three inches of tape",
        "3 in of the last five": "three in of the last five",
        "4.5% p.a. now": "four point five percent per annum now", "the P.A. system": "the p a system",
        "Wm. Harris, Jr., spoke": "william harris, junior, spoke",
        "the combination is 12-24-36": "the combination is twelve twenty-four thirty-six",
        "two 9V cells": "two nine volt cells", "110 mmHg": "one hundred ten millimeters of mercury",
        "$70 per bbl": "seventy dollars per barrel"},
    "formulas and capitals": {
        "CO2 and SO2": "c o two and s o two", "KOH": "k o h", "Co and No": "co and no", "mRNA": "m r n a",
        "A6 paper": "a six paper", "R&R": "r and r", "M&Ms": "m and m's", "the CEOs' pay": "the c e o's pay",
        "Ph.D.s": "p h d's", "UPS came": "u p s came", "IT IS AN UPS AND DOWNS STORY": "it is an ups and downs story",
        "I said NO": "i said no", "idk why": "i don't know why"},
    "roman numerals": {
        "Edward VII's son": "edward the seventh's son",
        "Elizabeth I never left": "elizabeth the first never left", "World War I began": "world war one began",
        "MCMLXIX": "nineteen sixty-nine", "the XXV Olympiad": "the twenty-fifth olympiad",
        "the XVth century": "the fifteenth century", "An IV drip": "an i v drip", "vitamin C": "vitamin c",
        "MIX it": "mix it", "Wars I and II": "wars one and two", "Part II of III": "part two of three"},
    "references": {
        "Song of Solomon 2:1": "song of solomon two one", "Luke 6:31": "luke six thirty-one",
        "1 Samuel 2:1-10": "first samuel two one to ten",
        "at 6:31": "at six thirty-one", "Eqs. 3 and 4": "equations three and four", "App. C": "appendix c",
        "Roe v. Wade": "roe versus wade", "Rs. 99": "ninety-nine rupees", "the 5th c. B.C.": "the fifth century b c.",
        "ref. no. AB12": "reference number a b twelve"},
    "kitchens": {
        "2 x 400g tins": "two four hundred gram tins", "a 4 x 6 card": "a four by six card",
        "302 ° F": "three hundred two degrees fahrenheit", "43 degrees C": "forty-three degrees celsius",
        "1 cm/half": "one centimeter slash half", "2kg/5lb": "two kilograms slash five pounds",
        "5W-30 oil": "five w thirty oil", "2 clove(s)": "two cloves", "1/10 grams": "one tenth grams",
        "a 1/10 score": "a one out of ten score",
        "270 g - 800 mL": "two hundred seventy grams, eight hundred milliliters",
        "3 c flour": "three cups flour", "2 c of it": "two c of it", "for 45s": "for forty-five seconds",
        "in his 40s": "in his forties", "oven to 200c": "oven to two hundred degrees celsius",
        "100gr, 1lt": "one hundred grams, one liter", "2x - 4 = 0": "two x minus four equals zero",
        "a 15-1/2 oz. can of it": "a fifteen and a half ounce can of it",
        "a 13\"x9\" pan": "a thirteen by nine inch pan",
        "350˚F or 375◦F": "three hundred fifty degrees fahrenheit or three hundred seventy-five degrees fahrenheit",
        "◦ apples": "apples",
        "temp. 165°F": "temperature one hundred sixty-five degrees fahrenheit",
        "5%-10% off": "five percent to ten percent off", "a 6-in. OLED": "a six inch o l e d"},
    "places and papers": {
        "no. 44-1827": "number four four, one eight two seven", "no. 10-12": "number ten to twelve",
        "traffic on the 405": "traffic on the four oh five", "the 405 men": "the four hundred five men",
        "3115 Maple Grove Road": "thirty-one fifteen maple grove road", "in Fargo, N.D.": "in fargo, north dakota.",
        "for N.D. only": "for n d only"},
    "ranges, weekdays and answers of servers": {
        "from 8/12 through 8/19": "from august twelfth through august nineteenth",
        "from 8/12 to 8/19": "from august twelfth to august nineteenth",
        "12/20 thru 1/2": "december twentieth through january second", "7/1 until 7/8": "july first until july eighth",
        "a 3/4 through 1/2 inch": "a three quarters through one half inch",
        "from 1/4 to 1/2": "from one quarter to one half", "lunch on sat?": "lunch on saturday?",
        "next tues works": "next tuesday works", "can we talk mon morning": "can we talk monday morning",
        "this sat on it": "this sat on it", "by sun and moon": "by sun and moon",
        "they wed in June": "they wed in june",
        "a two-year, $18 million deal": "a two-year, eighteen million dollar deal",
        "the new, $30 million library": "the new, thirty million dollar library",
        "the house, $500 cash": "the house, five hundred dollars cash",
        "$3 million of it": "three million dollars of it", "a 5 V, 3 A charger": "a five volt, three amp charger",
        "rated at 5 V, 3 A": "rated at five volts, three amps", "a 404 error": "a four oh four error",
        "HTTP 503": "h t t p five oh three", "there were 404 errors": "there were four hundred four errors",
        "got 350 errors": "got three hundred fifty errors"},
    "schedules and slips": {
        "to 5 a.m. Mon.": "to five a m monday.", "Mon.-Fri. 7a-7p; Sat. 9-5":
        "monday to friday seven a m to seven p m; saturday nine to five", "by COB Wed.": "by c o b wednesday.",
        "the 3rd Div., then": "the third division, then", "mtg. in Rm. 12B": "meeting in room twelve b",
        "My ext. is 5510": "my extension is five five one zero", "375°F/190°C":
        "three hundred seventy-five degrees fahrenheit slash one hundred ninety degrees celsius",
        "50/60 Hz": "fifty or sixty hertz", "Dep. 07:45": "departs seven forty-five", ".38 sec. later":
        "point three eight seconds later", "the 4x400m relay:": "the four by four hundred meter relay:",
        "E = mc²": "e equals m c squared", "so² it": "so it", "NY, NY 10012": "new york new york one zero zero one two",
        "40.7° N": "forty point seven degrees north", "14th Fl.": "fourteenth floor.",
        "$4/ea. now": "four dollars each now",
        "run ./go.sh": "run dot slash go dot s h", "Louis-Philippe I ruled": "louis-philippe the first ruled"},
    "lists and sums": {
        "I, II and III": "one, two and three", "He and I or II": "he and one or two",
        "Leo and I went": "leo and i went",
        "10 / 2 = 5": "ten divided by two equals five", "Mon., Wed.; Jan., Mar.": "monday, wednesday; january, march.",
        "THE US AND THE UK AGREE": "the u s and the u k agree", "GIVE IT TO US NOW": "give it to us now"},
    "letters and keys": {
        "two MP3s and F-16s": "two m p threes and f sixteens", "OSes": "o s's",
        "409A": "four oh nine a",
        "NFSv4 over IPv6": "n f s v four over i p v six", "2 x 16GB": "two sixteen gigabytes",
        "an M.2 disk": "an m dot two disk", "a 401K": "a four oh one k", "Sr. leadership": "senior leadership",
        "U2's song": "u two's song",
        "noon – 1 p.m.": "noon to one p m.", "3 – 3:15 p.m.": "three to three fifteen p m.",
        "50-50": "fifty fifty",
        "3-1 at FT.": "three to one at f t.", "(a) one, (b) two": "a, one, b, two",
        "a b- on the exam": "a b, on the exam",
        "a B- on the exam": "a b minus on the exam", "plan B- or C": "plan b, or c",
        "dial *67": "dial star sixty-seven", "press # now": "press pound now", "see #3": "see number three",
        "the 3-2-1 rule": "the three two one rule", "an 80/20 mix": "an eighty twenty mix",
        "120/80": "one hundred twenty over eighty", "a 2-9 start": "a two and nine start",
        "2 t shirts": "two t shirts", "2 t sugar": "two teaspoons sugar", "I DO care": "i do care", "a DO": "a d o",
        "a few hrs ago": "a few hours ago", "budget2024.xlsx": "budget twenty twenty-four dot x l s x",
        "in Troy, Ohio 45373": "in troy, ohio four five three seven three",
        "in Troy, Ohio 45373 men": "in troy, ohio four five three seven three men",
        "in Troy, Ohio 45373 cats": "in troy, ohio forty-five thousand three hundred seventy-three cats",
        "batted .312": "batted three twelve", "an error of .312": "an error of point three one two",
        "my file tax_form.pdf": "my file tax underscore form dot p d f",
        "user bob_lee": "user bob lee", "username bob_lee": "username bob underscore lee",
        "4 W. Oak Ave, Troy": "four west oak avenue, troy", "Ave Maria": "ave maria", "Dr Who": "doctor who"},
    "more dates": {
        "by Fri. 10/6": "by friday october sixth", "from 8/12-8/16": "from august twelfth to august sixteenth",
        "1/2-3/4 cup": "one half to three quarters cup", "May 9-Sept. 3": "may ninth to september third",
        "Mon: legs. Tue: arms.": "monday: legs. tuesday: arms.", "M-F, 9-5": "monday to friday, nine to five",
        "a 30-yr low": "a thirty year low", "bake 1 h.": "bake one hour."},
    "directions and places": {
        "12 mi. SW of Ames": "twelve miles southwest of ames", "winds NE at 9": "winds northeast at nine",
        "I-78 W to Ames": "i seventy-eight west to ames", "5 km N of it": "five kilometers north of it",
        "Lee, D-Calif., said": "lee, d california, said", "SE Asia": "southeast asia", "class N of it": "class n of it",
        "at 1530 K St. NW": "at fifteen thirty k street northwest", "300 K of heat": "three hundred kelvin of heat",
        "2217 E. Pine Ave.": "twenty-two seventeen east pine avenue.", "the cor. of 5th": "the corner of fifth",
        "Conf. Rm. B": "conference room b", "County Rd. 9": "county road nine", "in Rd. 9": "in round nine"},
    "teams and machines": {
        "We are 8-3 and": "we are eight and three and", "lost 4-0 at home": "lost four to zero at home",
        "We are 3-2 up": "we are three to two up",
        "port 8080": "port eighty eighty", "port 8000": "port eight thousand",
        "seats 12A and 12B": "seats twelve a and twelve b", "12B people": "twelve billion people",
        "a 2A charger": "a two amp charger", "seat 2A": "seat two a",
        "at 350 F for": "at three hundred fifty degrees fahrenheit for", "at 10 C Street": "at ten c street",
        "no. 1Z999AA101": "number one z nine nine nine a a one zero one", "WINDOWS2000": "windows two thousand",
        "a .gitignore file": "a dot gitignore file", "the end .then": "the end. then", "ls -la": "ls dash l a"},
    "sums and products": {
        "2^16 - 1 bits": "two to the sixteenth minus one bits", "What is 30 - 4?": "what is thirty minus four?",
        "3 - 5 days": "three to five days", "the n - 1 rows": "the n minus one rows",
        "Plan B - 3 days": "plan b, three days",
        "2 x 10^9 and 2 x 4": "two times ten to the ninth and two by four", "y² - 7": "y squared minus seven",
        "90 kg - 5 more": "ninety kilograms, five more", "5 kg - 9 kg": "five kilograms to nine kilograms",
        "9.8 m/s²": "nine point eight meters per second squared", "g(x)": "g of x",
        "80 N·m": "eighty newton meters", "60 mg/dL": "sixty milligrams per deciliter"},
    "more codes": {
        "the 767s here": "the seven sixty-sevens here",
        "a stake in 3M.": "a stake in three m.", "We invest in 3M.": "we invest in three m.",
        "parked a 707 there": "parked a seven oh seven there", "See App. A of it": "see appendix a of it",
        "rated 4.5/5": "rated four point five out of five", "$4/loaf": "four dollars per loaf",
        "4 apples/pears": "four apples pears", "NOx and SOx": "n o x and s o x",
        "802.11a/b/g": "eight oh two dot eleven a b g",
        "ref. no. 5518": "reference number five five one eight", "ext. 8120": "extension eight one two zero",
        "order #40217": "order number four zero two one seven",
        "order #82-5013": "order number eight two, five zero one three",
        "#3 is 1-2": "number three is one to two", "Rm. 305": "room three oh five",
        "Apt. 4B": "apartment four b", "flight UA 318": "flight u a three eighteen",
        "in Lyon, 69002 Lyon": "in lyon, six nine zero zero two lyon",
        "a lap of 1:09.52": "a lap of one oh nine point five two", "By 1066 all": "by ten sixty-six all",
        "The 10K begins": "the ten k begins", "Mon/Wed/Fri": "monday wednesday friday",
        "the 200m butterfly": "the two hundred meter butterfly",
        "a $30 monthly fee": "a thirty dollar monthly fee", "pays $30 monthly": "pays thirty dollars monthly"},
    "more abbreviations": {
        "its approx. size": "its approximate size", "approx. 20": "approximately twenty",
        "tax not incl.": "tax not included.", "incl. tax": "including tax", "Sr. Data Analyst": "senior data analyst",
        "the H. pylori test": "the h pylori test", "a tsp. of it": "a teaspoon of it",
        "drops tid": "drops three times a day", "they bid": "they bid",
        "Fwd: news": "forward: news", "RE: RE: news": "{R IY1}: {R IY1}: news", "Wait [pause 2s] here": "wait, here",
        "np, im ok": "no problem, i'm ok", "Idk. Dont ask": "i don't know. don't ask",
        "ssh, pdfs, hmm": "s s h, p d f's, hmm",
        "w/ a hook": "with a hook", "cc'd Ann": "c seed ann"},
    "signs and programs": {
        "an on/off switch": "an on off switch", "lib/main/code": "lib slash main slash code", "She/he": "she or he",
        "getFirstName() runs": "get first name runs", "a .zip file": "a dot zip file",
        "Ctrl+Alt+Del": "control alt delete",
        "the option -v and git push --force": "the option dash v and git push dash dash force",
        "She left -then came back": "she left, then came back",
        "a != b": "a is not equal to b", "x == y": "x equals y", "p && q": "p and q",
        "8 * 9 = 72": "eight times nine equals seventy-two", "Open Tools > Options": "open tools, options",
        "7 > 4": "seven greater than four", "self.count": "self dot count", "stdlib.h": "stdlib dot h",
        "It ended.³ They": "it ended. they", "ants.[7] Bees": "ants. bees", "tax† here": "tax here",
        "https://www.usa.gov": "w w w dot u s a dot gov", "goin' home, ol' pal": "goin' home, ol' pal"},
    "amounts that describe": {
        "the supplied 5 V, 2 A adapter": "the supplied five volt, two amp adapter",
        "An optional 2 m cable": "an optional two meter cable", "he added 2 m more": "he added two meters more",
        "a dog ate 2 kg meat": "a dog ate two kilograms meat", "needs 9 V cells": "needs nine volt cells",
        "draws 9 W as is": "draws nine watts as is", "Lost dog! $50 reward": "lost dog! fifty dollar reward",
        "$5 buys a meal": "five dollars buys a meal", "$5 bills are rare": "five dollar bills are rare",
        "$9 off": "nine dollars off", "$9 shipping": "nine dollars shipping", "pay $9 rent": "pay nine dollars rent",
        "7.5\"W x 8\"D": "seven point five inches wide by eight inches deep", "40cm H": "forty centimeters high",
        "10\" Deep": "ten inches deep", "4.1 mEq/L": "four point one milliequivalents per liter",
        "400 IU": "four hundred international units"},
    "papers with numbers": {
        "ref. no. 70213": "reference number seven zero two one three",
        "Our receipt no. is": "our receipt number is", "flight no. 2040": "flight number two zero four zero",
        "He said no. is it so?": "he said no. is it so?", "a total 23415": "a total twenty-three thousand four "
        "hundred fifteen", "Total: 23415": "total: twenty-three thousand four hundred fifteen"},
    "months, hours and journals": {
        "2023-07": "july twenty twenty-three", "2023-24": "twenty twenty-three to twenty-four",
        "1999-00": "nineteen ninety-nine to two thousand", "$9-$12/hr. DOE": "nine to twelve dollars per hour d o e",
        "Nat. Chem. agrees": "nature chemistry agrees", "J. Phys. Chem.": "journal of physical chemistry.",
        "N. Engl. J. Med. 3": "new england journal of medicine three", "Nat. King Cole": "nat. king cole",
        "two AA batteries": "two double a batteries", "at AA in May": "at a a in may", "an ACT score": "an a c t score",
        "an ACT of God": "an act of god", "the EEG": "the e e g"},
    "labels and addresses": {
        "Qty: 30. Wt: 9 lb": "quantity: thirty. weight: nine pounds", "Rx only": "r x only",
        "the govt said approx 20": "the government said approximately twenty", "corp tax": "corp tax",
        "9 ELM ST APT 4B, TROY OH 45373": "nine elm street apartment four b, troy ohio four five three seven three",
        "Dr. Ann Lee, MD": "doctor ann lee, m d", "in Gary Lee, MD": "in gary lee, maryland",
        "on SR 520 E.": "on state route five twenty east.", "CR 7 cells": "c r seven cells",
        "The confirmation number is 7740-2291.":
            "the confirmation number is seven seven four zero, two two nine one.", "the code is 10-12":
            "the code is ten to twelve", "GET /a.html returned 404": "get slash a dot h t m l returned four oh four",
        "he returned 404 books": "he returned four hundred four books", "in /usr/lib": "in slash u s r slash lib",
        "see ~/.bashrc": "see tilde slash dot bashrc", "5 /hat": "five slash hat"},
    "more times": {
        "passed in 4m 12s": "passed in four minutes twelve seconds", "with 0:04 left": "with four seconds left",
        "at 0:04": "at zero oh four", "Exp. 08/2026": "expires august twenty twenty-six",
        "1/2000 of it": "one over two thousand of it", "my card expires 09/27": "my card expires oh nine, twenty-seven",
        "it expires 09/27": "it expires september twenty-seventh", "Mar '24": "march twenty twenty-four",
        "Jan-Mar 2024": "january to march twenty twenty-four", "sunset 7:15p": "sunset seven fifteen p m",
        "v. 2.0": "version two point zero", "v. 7": "verse seven", "counts I through IV": "counts one through four"},
    "sports and shops": {
        "He's 6-2, 210 pounds": "he's six two, two hundred ten pounds", "won 6-2, 210 points": "won six to two, two "
        "hundred ten points", "Bears (5-2) at Jets (4-3)": "bears, five and two, at jets, four and three",
        "see Lee (3-4)": "see lee, three to four", "a .300 hitter": "a three hundred hitter",
        "1 (14.5 oz) can beans": "one fourteen point five ounce can beans", "1 (5 oz) of it": "one, five ounces, of it",
        "2BR/1BA": "two bedrooms, one bath", "12 ct": "twelve count", "a 12 ct gold ring": "a twelve carat gold ring",
        "12 fl. oz. (355 mL)": "twelve fluid ounces, three hundred fifty-five milliliters", "16 OZ": "sixteen ounces",
        "an RTX 4090": "an r t x forty ninety", "i7-12700K": "i seven twelve seven hundred k",
        "a 6' USB-C cable": "a six foot u s b c cable", "sizes S-XL": "sizes s to x l", "1/250 s":
        "one two hundred fiftieth of a second", "2 lg. eggs": "two large eggs", "my 4yo": "my four year old"},
    "medicine and sums": {
        "1 tab PO BID x 10 days": "one tab by mouth twice a day for ten days", "the PO said": "the p o said",
        "q4-6h prn": "every four to six hours as needed", "4 x 3 days": "four by three days",
        "25mg/5mL": "twenty-five milligrams per five milliliters", "f'(x) = 2x": "f prime of x equals two x",
        "run 2x": "run two times", "(≥ 18 years)": "at least eighteen years", "if x ≥ 3": "if x is at least three"},
    "rooms and clauses": {
        "the job ID 58213": "the job i d five eight two one three", "Section 501(c)(3)": "section five oh one c three",
        "para. 3(a)(ii)": "paragraph three a two", "See § 7(b).": "see section seven b.",
        "5(a) of it": "five, a, of it",
        "flight 2214": "flight twenty-two fourteen", "Suite 2400": "suite twenty-four hundred",
        "channel 2000": "channel two thousand", "take U.S. 101": "take u s one oh one",
        "U.S. 101 men": "u s one hundred one men", "lot 4K72B": "lot four k seventy-two b",
        "iron (Fe)": "iron, f e", "helium (He)": "helium, h e", "she said (He lied)": "she said, he lied",
        "Dep. LAX 9:15": "departs l a x nine fifteen", "Dep. Smith": "dep. smith"},
    "weekdays and places": {
        "M-W this week": "monday to wednesday this week", "the M-W line": "the m w line",
        "meets Tu/Th 1:00": "meets tuesday thursday one o'clock", "Plan A-W": "plan a w",
        "Washington, D.C. 20036": "washington, d c two zero zero three six", "for D.C. 20036 men": "for d c twenty "
        "thousand thirty-six men", "88 Queen St. W., Toronto, ON M5H 2N2":
            "eighty-eight queen street west, toronto, ontario m five h two n two", "turn it ON.": "turn it on.",
        "Go 2.5 mi. on": "go two point five miles on", "Go 1.21 is": "go one point twenty-one is",
        "404 Not Found": "four oh four not found", "404 not there": "four hundred four not there",
        "a.lang.NullError at": "a dot lang dot null error at", "the end.Next it": "the end. next it"},
    "more lists": {
        "Fri 8am-noon": "friday eight a m to noon", "ship-close": "ship-close",
        "coming to the game sat?": "coming to the game saturday?",
        "he sat there?": "he sat there?", "(W x D x H)": "width by depth by height",
        "(6 g sat.); 4 g": "six grams saturated; four grams", "7 p.m. Tickets: $5":
        "seven p m. tickets: five dollars", "7 p.m. Tuesday": "seven p m tuesday"},
    "numbers of papers": {
        "Our EIN is 12-3456789.": "our e i n is one two, three four five six seven eight nine.",
        "of 12-345 men": "of twelve to three hundred forty-five men", "PIN 5520#": "pin five five two zero pound",
        "P.O. Box 942869": "p o box nine four two eight six nine", "the box 200 men": "the box two hundred men",
        "(3 pp.)": "three pages.", "rates rose 3 pp": "rates rose three percentage points",
        "15 ppb": "fifteen parts per billion", "a 14K gold ring": "a fourteen karat gold ring",
        "the 14K users": "the fourteen thousand users",
        "0.25 ct. diamond": "zero point two five carat diamond", "brt": "be right there", "med-high": "medium high",
        "Sa 10-4, closed Su & M": "saturday ten to four, closed sunday and monday", "F = ma": "f equals m a",
        "my ma": "my ma", "at Penn Sta.": "at penn station.", "go N on it": "go north on it",
        "an N on it": "an n on it",
        "the conf file": "the conf file", "a 2700K lamp": "a two thousand seven hundred kelvin lamp",
        "did the hw": "did the homework", "its already dec": "its already december",
        "dec the halls": "dec the halls", "two 2.0 Ah batteries": "two two point zero amp hour batteries",
        "Uptime: 0:02:11": "uptime: two minutes eleven seconds"},
    "law and bible": {
        "Ps. 23 and 1 Cor. 13": "psalm twenty-three and first corinthians thirteen", "Ex. 4 here": "example four here",
        "123 F.3d 456 (9th Cir. 1997)":
            "one hundred twenty-three f third four hundred fifty-six, ninth circuit nineteen ninety-seven",
        "5 Elm Cir. is": "five elm circle is", "the order was aff'd": "the order was affirmed",
        "§§ 4 and 5": "sections four and five", "Art. I, § 8": "article one, section eight",
        "a 1099-MISC": "a ten ninety-nine m i s c",
        "1099 men": "one thousand ninety-nine men", "Jr. and Sr. High": "junior and senior high"},
    "marks of the internet": {
        "$TSLA rose": "t s l a rose", "2/$5": "two for five dollars", "tl;dr": "t l d r", "'23-'24": "twenty-three to "
        "twenty-four", "a 2-yr-old": "a two year old", "5'9 tall": "five nine tall", "4WD": "four wheel drive"},
    "groups and signs": {
        "meeting ID: 845 2213 9970": "meeting i d: eight four five, two two one three, nine nine seven zero",
        "acct no. 845 213 997": "account number eight four five, two one three, nine nine seven",
        "of 845 213 997 men": "of eight hundred forty-five million two hundred thirteen thousand nine hundred "
        "ninety-seven men", "coffee sat morning?": "coffee saturday morning?", "by sun morning": "by sunday morning",
        "our ac is old": "our a c is old", "Utah (18-4, 9-1 Pac-12) will face it":
        "utah, eighteen and four, nine and one pac twelve, will face it", "press Esc": "press escape",
        "expected ';' before '}' here": "expected semicolon before closing brace here",
        "Time elapsed: 00:03:27": "time elapsed: three minutes twenty-seven seconds",
        "at 10:03:27": "at ten oh three and twenty-seven seconds"},
    "screens": {
        "This code is for you: 449 201": "this code is for you: four four nine, two zero one", "the code for 449 201 "
        "men": "the code for four hundred forty-nine two hundred one men",
        "bday is thurs": "birthday is thursday",
        "350 degrees F. for it": "three hundred fifty degrees fahrenheit for it", "1080p and 720p": "ten eighty p and "
        "seven twenty p", "$ npm test": "n p m test", "a $ sign": "a dollars sign", "404": "four oh four",
        "404 of us": "four hundred four of us"},
    "encyclopedias and job ads": {
        "7 May 1867 – 4 July 1934":
            "the seventh of may eighteen sixty-seven to the fourth of july nineteen thirty-four",
        "Rome (/ˈroʊm/) is": "rome, is", "in lib/main/it": "in lib slash main slash it",
        "ten seasons.[3][4]": "ten seasons.",
        "3+ yrs. exp. w/ it": "three plus years experience with it", "exp. date": "expiration date",
        "M–F only": "monday to friday only", "avail. 6/1": "available june first", "a 2BR flat": "a two bedroom flat",
        "a NW wind": "a northwest wind", "Wed. Rain likely": "wednesday rain likely",
        "Dew pt. 61°": "dew point sixty-one "
        "degrees", "find f(2)": "find f of two", "sin(30°)": "sine of thirty degrees", "5! = 120": "five factorial "
        "equals one hundred twenty", "Hi! = it": "hi! equals it", "x ∈ R": "x in r"},
    "versions and files": {
        "18/8 steel": "eighteen eight steel", "Windows 10/11": "windows ten eleven", "by 10/11": "by october eleventh",
        "take Rt. 3 west": "take route three west",
        "Copy .env.example to .env.": "copy dot e n v dot example to dot e n v.",
        "at 08:00:00": "at eight o'clock", "45% [9/20]": "forty-five percent, nine of twenty",
        "(9/20)": "nine twentieths", "Compiling main.c...": "compiling main dot c."},
    "programs and their logs": {
        "at 10:42:13.882": "at ten forty-two and thirteen point eight eight two seconds", "attempt 3/5":
        "attempt three of five", "#45 from foo/bar": "number forty-five from foo bar", "ISO 8601":
        "i s o eighty-six oh one", "ISO 9001": "i s o nine thousand one", "SELECT * FROM it": "select star from it",
        "JPMorgan": "j p morgan", "no argument --name": "no argument dash dash name", "npm ci": "n p m c i",
        "a 20V motor": "a twenty volt motor"},
    "more games and streets": {
        "sat nite": "saturday nite", "Zverev def. Ruud": "zverev defeated ruud", "def. 4": "definition four",
        "The Jets (3-9) have it": "the jets, three and nine, have it",
        "Ave. A and Ave. B": "avenue a and avenue b", "on 5th Ave. A man": "on fifth avenue. a man"},
    "last finds": {
        "on ch 4 and 5": "on chapter four and five", "from May 24: 10 a.m.": "from may twenty-fourth: ten a m.",
        "May 24:10": "may twenty-four ten",
        "plate 7XKR201": "plate seven x k r two oh one", "Subject: RE: it": "subject: {R IY1}: it",
        "see u fri i hope": "see u friday i hope",
        "improves to 7-1 (4-1 Big Ten)": "improves to seven and one, four and "
        "one big ten", "Lv. Boston 7:05a": "leaves boston seven oh five a m", "Mon, Wed & Fri": "monday, wednesday and "
        "friday", "Mon, I said": "mon, i said", "$8.50 one way": "eight dollars and fifty cents one way",
        "an $8.50 fee": "an eight dollar and fifty cent fee", "at 9/8c": "at nine eight central",
        "Def. pleads it": "defendant pleads it", "2024-05-01T10:22:33Z":
            "may first, twenty twenty-four, ten twenty-two and thirty-three seconds u t c",
        "bob@host:~$ ls -l": "ls dash l", "2 tabs q.h.s.": "two tabs every night at bedtime.",
        "each 15 mL contains it": "each fifteen milliliters contains it", "Vit. D3": "vitamin d three"},
    "chats": {
        "ill let u know": "i'll let u know", "he is ill let him": "he is ill let him", "id love to": "i'd love to",
        "ill people": "ill people", "dw, see u tn": "don't worry, see u tonight", "news re: it": "news {R IY1}: it",
        "cc: Ann": "c c: ann", "5 cc": "five c c"},
    "more sizes": {
        "a 65\" Class TV": "a sixty-five inch class t v", "65\" Wide": "sixty-five inches wide",
        "5,000 mAh battery": "five thousand milliamp hour battery", "of 5 mAh is": "of five milliamp hours is",
        "1500 W. Cord length": "one thousand five hundred watts. cord length",
        "1500 W. Oak St.": "fifteen hundred west oak street.", "1 h of it": "one hour of it",
        "It is 3 ft. We go": "it is three feet. we go", "2 1/4\" off": "two and a quarter inches off",
        "3/8 in. off": "three eighths inch off", "a 200g/7oz bar": "a two hundred grams slash seven ounce bar",
        "98.6 F": "ninety-eight point six degrees fahrenheit", "GMT-5": "g m t minus five", "run 1x": "run one time",
        "in 5:00 minutes": "in five minutes", "in 1:30 hours": "in one hour thirty minutes",
        "the 1-2-3 rule": "the one two three rule", "49ers' fans": "forty-niners' fans",
        "3 gpm": "three gallons per minute"}}


@pytest.mark.parametrize("written, spoken", [pair for kind in CASES.values() for pair in kind.items()])
def test_kinds(written, spoken):
    assert english_reader(written) == spoken
