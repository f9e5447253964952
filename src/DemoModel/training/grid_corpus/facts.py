"""Plain facts of the real world: capitals, days, opposites, animals, colours, short definitions."""

from . import words as w
from .base import Turn, a, cap, chance, join

CAPITALS = dict(line.split(":") for line in """France:Paris|Germany:Berlin|Italy:Rome|Spain:Madrid|Portugal:Lisbon
England:London|the United Kingdom:London|Scotland:Edinburgh|Wales:Cardiff|Ireland:Dublin|Belgium:Brussels|the Netherlands:Amsterdam
Austria:Vienna|Switzerland:Bern|Denmark:Copenhagen|Norway:Oslo|Sweden:Stockholm|Finland:Helsinki|Iceland:Reykjavik|Poland:Warsaw
the Czech Republic:Prague|Slovakia:Bratislava|Hungary:Budapest|Romania:Bucharest|Bulgaria:Sofia|Greece:Athens|Turkey:Ankara
Ukraine:Kyiv|Russia:Moscow|Estonia:Tallinn|Latvia:Riga|Lithuania:Vilnius|Croatia:Zagreb|Serbia:Belgrade|Slovenia:Ljubljana
Luxembourg:Luxembourg|Malta:Valletta|Cyprus:Nicosia|Japan:Tokyo|China:Beijing|India:New Delhi|South Korea:Seoul|North Korea:Pyongyang
Thailand:Bangkok|Vietnam:Hanoi|Indonesia:Jakarta|the Philippines:Manila|Malaysia:Kuala Lumpur|Nepal:Kathmandu|Pakistan:Islamabad
Bangladesh:Dhaka|Iran:Tehran|Iraq:Baghdad|Israel:Jerusalem|Saudi Arabia:Riyadh|Egypt:Cairo|Morocco:Rabat|Kenya:Nairobi|Nigeria:Abuja
Ghana:Accra|Ethiopia:Addis Ababa|Senegal:Dakar|Tunisia:Tunis|Algeria:Algiers|South Africa:Pretoria|the United States:Washington, D.C.
the USA:Washington, D.C.|Canada:Ottawa|Mexico:Mexico City|Cuba:Havana|Brazil:Brasilia|Argentina:Buenos Aires|Chile:Santiago|Peru:Lima
Mongolia:Ulaanbaatar|Angola:Luanda|Zambia:Lusaka|Zimbabwe:Harare|Botswana:Gaborone|Namibia:Windhoek|Malawi:Lilongwe|Rwanda:Kigali|Uganda:Kampala
Tanzania:Dodoma|Somalia:Mogadishu|Sudan:Khartoum|Libya:Tripoli|Jordan:Amman|Lebanon:Beirut|Syria:Damascus|Yemen:Sanaa|Oman:Muscat|Qatar:Doha|Kuwait:Kuwait City|Bahrain:Manama|Georgia:Tbilisi
Armenia:Yerevan|Azerbaijan:Baku|Kazakhstan:Astana|Uzbekistan:Tashkent|Kyrgyzstan:Bishkek|Afghanistan:Kabul|Myanmar:Naypyidaw|Laos:Vientiane|Cambodia:Phnom Penh|Fiji:Suva|Samoa:Apia|Guatemala:Guatemala City
Honduras:Tegucigalpa|Panama:Panama City|Nicaragua:Managua|Costa Rica:San Jose|El Salvador:San Salvador|Belize:Belmopan|Jamaica:Kingston|Haiti:Port-au-Prince|Barbados:Bridgetown|Guyana:Georgetown
Suriname:Paramaribo|Paraguay:Asuncion|Albania:Tirana|Moldova:Chisinau|Belarus:Minsk|Montenegro:Podgorica|Andorra:Andorra la Vella|Monaco:Monaco|Liechtenstein:Vaduz|Madagascar:Antananarivo|Sri Lanka:Colombo
Singapore:Singapore|Taiwan:Taipei|Bosnia and Herzegovina:Sarajevo|North Macedonia:Skopje|Colombia:Bogota|Venezuela:Caracas|Uruguay:Montevideo|Bolivia:Sucre|Ecuador:Quito|Australia:Canberra|New Zealand:Wellington""".replace("\n", "|").split("|"))
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
OPPOSITES = [pair.split("/") for pair in """hot/cold big/small tall/short fast/slow happy/sad day/night up/down left/right
open/closed light/dark wet/dry old/young hard/soft full/empty high/low loud/quiet clean/dirty early/late rich/poor strong/weak
thick/thin wide/narrow deep/shallow heavy/weightless near/far good/bad right/wrong yes/no in/out on/off front/back top/bottom
first/last win/lose push/pull give/take buy/sell begin/end love/hate laugh/cry remember/forget arrive/leave sweet/bitter
true/false black/white north/south east/west summer/winter inside/outside above/below before/after always/never sharp/blunt
smooth/rough brave/cowardly friend/enemy asleep/awake alive/dead cheap/expensive easy/difficult rise/fall float/sink
find/lose add/subtract question/answer kind/cruel beautiful/ugly war/peace""".split()]
PLURALS = [pair.split("/") for pair in """cat/cats dog/dogs mouse/mice foot/feet tooth/teeth child/children man/men woman/women
goose/geese sheep/sheep fish/fish leaf/leaves knife/knives wolf/wolves box/boxes fox/foxes bus/buses city/cities baby/babies
lady/ladies story/stories berry/berries cherry/cherries tomato/tomatoes potato/potatoes ox/oxen deer/deer person/people
half/halves shelf/shelves life/lives wife/wives thief/thieves loaf/loaves brush/brushes watch/watches church/churches dish/dishes
glass/glasses day/days boy/boys key/keys toy/toys apple/apples book/books tree/trees house/houses horse/horses bird/birds
star/stars flower/flowers penny/pennies puppy/puppies fly/flies hero/heroes echo/echoes piano/pianos photo/photos calf/calves
scarf/scarves elf/elves bench/benches peach/peaches class/classes party/parties country/countries butterfly/butterflies""".split()]
COLOUR_OF = dict(pair.split("/") for pair in """grass/green snow/white blood/red coal/black milk/white chocolate/brown gold/yellow
soot/black ice/white salt/white sugar/white flour/white spinach/green broccoli/green rice/white""".split())
COLOUR_OF_ONE = dict(pair.split("/") for pair in """banana/yellow lemon/yellow strawberry/red tomato/red carrot/orange
pumpkin/orange crow/black polar bear/white frog/green ripe cherry/red swan/white flamingo/pink cucumber/green leaf in summer/green
fire engine/red raven/black lime/green lobster when it is cooked/red""".replace("\n", " ").replace("polar bear", "polar~bear").replace("ripe cherry", "ripe~cherry").replace("leaf in summer", "leaf~in~summer").replace("fire engine", "fire~engine").replace("lobster when it is cooked", "cooked~lobster").split())
COLOUR_OF_ONE = {k.replace("~", " "): v for k, v in COLOUR_OF_ONE.items()}
SKY = {"the sky": "blue", "the sun": "yellow", "the sea": "blue", "the night sky": "black", "the moon": "white"}
SHAPES = {"triangle": 3, "square": 4, "rectangle": 4, "pentagon": 5, "hexagon": 6, "octagon": 8}
COUNTS = {"days are there in a week": "seven days in a week", "months are there in a year": "twelve months in a year",
          "hours are there in a day": "twenty-four hours in a day", "minutes are there in an hour": "sixty minutes in an hour",
          "seconds are there in a minute": "sixty seconds in a minute", "days are there in a year": "three hundred and sixty-five days in a year",
          "seasons are there": "four seasons: spring, summer, autumn and winter", "letters are there in the alphabet": "twenty-six letters in the alphabet",
          "continents are there": "seven continents", "planets are there": "eight planets", "weeks are there in a year": "fifty-two weeks in a year",
          "colours are there in a rainbow": "seven colours in a rainbow", "centimetres are there in a metre": "one hundred centimetres in a metre",
          "metres are there in a kilometre": "one thousand metres in a kilometre", "grams are there in a kilogram": "one thousand grams in a kilogram",
          "fingers are there on one hand": "five fingers on one hand", "eggs are there in a dozen": "twelve eggs in a dozen",
          "years are there in a century": "one hundred years in a century"}
LEGS = {0: "no", 2: "two", 4: "four", 6: "six", 8: "eight"}
MORE_LEGS = {"spider": 8, "ant": 6, "beetle": 6, "bird": 2, "fish": 0, "human": 2, "chair": 4, "table": 4, "butterfly": 6, "snail": 0, "fly": 6, "crow": 2}
KNOWN = [  # (ways to ask, answer, bare answer)
    ("Who wrote Romeo and Juliet?|Who is the author of Romeo and Juliet?|Who wrote Hamlet?", "William Shakespeare wrote it.", "Shakespeare"),
    ("What is the largest ocean?|Which ocean is the biggest?|What is the biggest ocean on Earth?", "The largest ocean is the Pacific Ocean.", "Pacific"),
    ("What is the highest mountain in the world?|What is the tallest mountain?|Which mountain is the highest on Earth?|What is the highest mountain?", "The highest mountain in the world is Mount Everest.", "Everest"),
    ("What is the longest river in the world?|Which river is the longest?|What is the longest river?", "The Nile is usually called the longest river in the world.", "Nile"),
    ("What is the largest planet?|Which planet is the biggest?|What is the biggest planet in the solar system?", "The largest planet is Jupiter.", "Jupiter"),
    ("Which planet is closest to the sun?|What planet is nearest to the sun?", "Mercury is the planet closest to the sun.", "Mercury"),
    ("Which planet is called the red planet?|What is the red planet?", "Mars is called the red planet.", "Mars"),
    ("What are the planets?|Name the planets.|List the planets.|What are the eight planets?", "The planets are Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus and Neptune.", None),
    ("What is the largest animal?|Which animal is the biggest?|What is the biggest animal in the world?", "The blue whale is the largest animal.", "blue whale"),
    ("What is the fastest animal on land?|Which land animal is the fastest?|What is the fastest animal?", "The cheetah is the fastest animal on land.", "cheetah"),
    ("What is the tallest animal?|Which animal is the tallest?", "The giraffe is the tallest animal.", "giraffe"),
    ("What is water made of?|What is H2O?|What is the chemical formula of water?", "Water is made of hydrogen and oxygen. Its formula is H2O.", "H2O"),
    ("What are the continents?|Name the continents.|List the seven continents.", "The continents are Africa, Antarctica, Asia, Australia, Europe, North America and South America.", None),
    ("What are the colours of the rainbow?|Name the colours of the rainbow.|Which colours are in a rainbow?|What are the colors of the rainbow?", "The colours of the rainbow are red, orange, yellow, green, blue, indigo and violet.", None),
    ("What do bees make?|What do bees produce?", "Bees make honey.", "honey"),
    ("What do cows give us?|Where does milk come from?", "Cows give us milk.", "milk"),
    ("What does a caterpillar become?|What does a caterpillar turn into?", "A caterpillar becomes a butterfly.", "butterfly"),
    ("What does a tadpole become?|What does a tadpole turn into?", "A tadpole becomes a frog.", "frog"),
    ("At what temperature does water boil?|When does water boil?|What is the boiling point of water?", "Water boils at 100 degrees Celsius.", "100"),
    ("At what temperature does water freeze?|When does water freeze?|What is the freezing point of water?", "Water freezes at 0 degrees Celsius.", "0 degrees"),
    ("What are the seasons?|Name the four seasons.|What are the four seasons?|List the seasons.", "The four seasons are spring, summer, autumn and winter.", None),
    ("What are the days of the week?|Name the days of the week.|List the days of the week.|List the weekdays.", "The days of the week are Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday.", None),
    ("What are the months of the year?|Name the months.|List the months of the year.|What are the twelve months?", "The months are January, February, March, April, May, June, July, August, September, October, November and December.", None),
    ("Say the alphabet.|What is the alphabet?|Recite the alphabet.|List the letters of the alphabet.|Can you say the alphabet?", "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z", None),
    ("What are the vowels?|Which letters are vowels?|Name the vowels.", "The vowels are A, E, I, O and U.", None),
    ("What are the primary colours?|Name the primary colours.|What are the primary colors?", "The primary colours are red, yellow and blue.", None),
    ("Why is the sky blue?|Why does the sky look blue?|why is the sky blue", "The air scatters blue light from the sun more than other colours, so the sky looks blue.", "scatter"),
    ("Who was the first man on the moon?|Who was the first person on the moon?|Who walked on the moon first?", "Neil Armstrong was the first person on the moon.", "Armstrong"),
    ("Who painted the Mona Lisa?|Who is the painter of the Mona Lisa?", "Leonardo da Vinci painted the Mona Lisa.", "Leonardo"),
    ("Which is faster, a car or a bicycle?|Is a car faster than a bicycle?", "A car is faster than a bicycle.", "car"),
    ("What is bigger, an elephant or a mouse?|Is an elephant bigger than a mouse?|Which is bigger, a mouse or an elephant?", "An elephant is bigger than a mouse.", "elephant"),
    ("Which is heavier, a stone or a feather?|What is heavier, a feather or a stone?", "A stone is heavier than a feather.", "stone"),
    ("Is the earth round?|Is the Earth flat?|What shape is the Earth?", "The Earth is round, like a ball.", "round"),
    ("Is the sun a star?|What is the sun?", "The sun is a star. It gives us light and warmth.", "star"),
    ("What do plants need to grow?|What does a plant need?", "Plants need water, light and air to grow.", "light"),
    ("Where does the sun rise?|In which direction does the sun rise?", "The sun rises in the east.", "east"),
    ("Where does the sun set?|In which direction does the sun set?", "The sun sets in the west.", "west"),
    ("What is the meaning of life?|What's the meaning of life?", "People have many answers. Being kind and curious is a good start.", "kind"),
    ("What is the largest country?|Which country is the biggest?|What is the biggest country in the world?", "Russia is the largest country in the world.", "Russia"),
    ("What language do people speak in France?|What is the language of France?", "People in France speak French.", "French"),
    ("What language do people speak in Germany?|What is the language of Germany?", "People in Germany speak German.", "German"),
    ("What language do people speak in Brazil?|What is the language of Brazil?", "People in Brazil speak Portuguese.", "Portuguese"),
    ("Is a tomato a fruit?|Is a tomato a fruit or a vegetable?", "A tomato is a fruit, but cooks use it as a vegetable.", "fruit"),
    ("Is a whale a fish?|Are whales fish?", "No, a whale is a mammal.", "mammal"),
    ("What is the square root of 9?|What is the square root of nine?", "The square root of 9 is 3.", "3"),
    ("What is pi?|What is the value of pi?", "Pi is about 3.14. It is the length around a circle divided by its width.", "3.14"),
    ("What came first, the chicken or the egg?|Which came first, the chicken or the egg?", "That is an old puzzle. Eggs are older than chickens, because other animals laid eggs first.", "egg"),
]
DEFINITIONS = {
    "a volcano": "A volcano is a mountain that can throw out hot melted rock.", "gravity": "Gravity is the pull that makes things fall to the ground.",
    "a dictionary": "A dictionary is a book that explains words.", "rain": "Rain is water that falls from clouds.", "snow": "Snow is made of tiny crystals of ice that fall from clouds.",
    "a cloud": "A cloud is made of many tiny drops of water in the air.", "a river": "A river is a long stream of water that flows to a lake or to the sea.",
    "a lake": "A lake is a large body of water with land all around it.", "an island": "An island is land with water all around it.", "a desert": "A desert is a dry place where almost no rain falls.",
    "a forest": "A forest is a large place with many trees.", "the moon": "The moon is a ball of rock that travels around the Earth.", "a star": "A star is a huge ball of hot gas that shines.",
    "a planet": "A planet is a large ball that travels around a star.", "a telescope": "A telescope makes far things look near.", "a microscope": "A microscope makes tiny things look big.",
    "a thermometer": "A thermometer shows how hot or cold something is.", "a compass": "A compass shows which way is north.", "a library": "A library is a place where people can borrow books.",
    "a hospital": "A hospital is a place where sick people get help.", "a school": "A school is a place where people learn.", "a bakery": "A bakery is a shop that makes and sells bread.",
    "a computer": "A computer is a machine that follows instructions to work with information.", "a robot": "A robot is a machine that can do work by itself.", "the internet": "The internet is a network that connects computers all over the world.",
    "a language model": "A language model is a program that writes text one small piece at a time.", "a neural network": "A neural network is a program of many simple parts that learns from examples.",
    "artificial intelligence": "Artificial intelligence means programs that do things which usually need thinking.", "AI": "Artificial intelligence means programs that do things which usually need thinking.",
    "a fossil": "A fossil is what is left of an animal or plant that lived long ago.", "a dinosaur": "A dinosaur was an animal that lived millions of years ago.", "a mammal": "A mammal is an animal that feeds its young with milk.",
    "an insect": "An insect is a small animal with six legs.", "a bird": "A bird is an animal with feathers and two wings.", "a reptile": "A reptile is an animal with scaly skin, like a snake or a lizard.",
    "a noun": "A noun is a word for a person, a place or a thing.", "a verb": "A verb is a word for something we do.", "an adjective": "An adjective is a word that describes a noun.",
    "a sentence": "A sentence is a group of words that tells a complete thought.", "a poem": "A poem is a text with rhythm, and often with rhyme.", "a haiku": "A haiku is a short poem of three lines with five, seven and five syllables.",
    "a triangle": "A triangle is a shape with three sides.", "a square": "A square is a shape with four equal sides.", "a circle": "A circle is a round shape without corners.", "an even number": "An even number can be divided by two.",
    "an odd number": "An odd number cannot be divided by two.", "friendship": "Friendship is when people like, help and trust each other.", "courage": "Courage is doing what is right even when you are afraid.",
    "love": "Love is caring very much for someone.", "happiness": "Happiness is the warm feeling when things are good.", "time": "Time is what clocks measure: seconds, minutes and hours.", "music": "Music is sound that is made to be beautiful or fun.",
    "a rainbow": "A rainbow is an arc of colours that we see when the sun shines through rain.", "lightning": "Lightning is a bright flash of electricity in a storm.", "thunder": "Thunder is the loud sound that lightning makes.",
    "wind": "Wind is moving air.", "ice": "Ice is frozen water.", "steam": "Steam is water that has become a hot gas.", "a map": "A map is a picture that shows where places are.", "a lighthouse": "A lighthouse is a tower with a light that guides ships.",
    "a bridge": "A bridge carries a road or a path over water or a valley.", "a harbour": "A harbour is a safe place for ships.", "bread": "Bread is food that is baked from flour and water.", "honey": "Honey is a sweet food that bees make.",
    "cheese": "Cheese is a food that is made from milk.", "a vegetable": "A vegetable is a part of a plant that we eat, like a carrot.", "a fruit": "A fruit is the part of a plant that holds the seeds, like an apple.",
    "photosynthesis": "Photosynthesis is how plants use light to make food from water and air.", "electricity": "Electricity is a kind of energy that powers lamps and machines.", "a magnet": "A magnet is a thing that pulls iron.",
    "an atom": "An atom is one of the tiny pieces that everything is made of.", "energy": "Energy is what is needed to move, heat or light things.", "a democracy": "A democracy is a country where the people vote for who governs.",
}
LANGUAGES = {  # hello, thank you, goodbye, cat, dog, water, bread, house
    "French": "bonjour merci au_revoir chat chien eau pain maison", "Spanish": "hola gracias adiós gato perro agua pan casa",
    "German": "hallo danke auf_Wiedersehen Katze Hund Wasser Brot Haus", "Italian": "ciao grazie arrivederci gatto cane acqua pane casa",
    "Portuguese": "olá obrigado adeus gato cão água pão casa", "Dutch": "hallo dank_je tot_ziens kat hond water brood huis",
}
WORDS_TRANSLATED = ["hello", "thank you", "goodbye", "cat", "dog", "water", "bread", "house"]
NOT_CATEGORY = {"fruit": w.FRUITS, "vegetable": [v for v in w.VEGETABLES if v != "tomato"], "animal": w.LIST_ANIMALS, "colour": w.LIST_COLOURS,
                "tool": [t for t in w.LIST_TOOLS if t != "file"], "tree": w.LIST_TREES, "instrument": w.LIST_INSTRUMENTS, "piece of clothing": w.LIST_CLOTHES}


def _capital(rng):
    country, city = rng.choice(list(CAPITALS.items()))
    if rng.random() < 0.15 and country not in ("England", "the USA"):
        q = rng.choice(["{} is the capital of which country?", "Which country has {} as its capital?", "Of which country is {} the capital?", "What country is {} the capital of?"])
        country = "the United Kingdom" if city == "London" else country
        return Turn(q.format(city), f"{city} is the capital of {country}.".replace("D.C. is", "D.C., is"), cap(country))
    q = rng.choice(["What is the capital of {}?", "What's the capital of {}?", "Which city is the capital of {}?", "Name the capital of {}.",
                    "Tell me the capital of {}.", "capital of {}", "Do you know the capital of {}?", "What is the capital city of {}?",
                    "What city is the capital of {}?", "Can you tell me the capital of {}?", "{} capital?", "The capital of {} is?"])
    q = q.format(country)
    return Turn(cap(q), f"The capital of {country} is {city}." if city[-1] != "." else f"The capital of {country} is {city}", city)


def _calendar(rng):
    roll = rng.randrange(6)
    if roll < 2:
        i = rng.randrange(7)
        step, forms = rng.choice([(1, ["What day comes after {}?", "Which day is after {}?", "What day follows {}?", "If today is {}, what day is tomorrow?", "Which day comes right after {}?", "Today is {}. What day is tomorrow?"]),
                                  (-1, ["What day comes before {}?", "Which day is before {}?", "If today is {}, what day was yesterday?", "Which day comes right before {}?", "Today is {}. What day was yesterday?"])])
        other = DAYS[(i + step) % 7]
        return Turn(rng.choice(forms).format(DAYS[i]), f"{other} comes {'after' if step > 0 else 'before'} {DAYS[i]}.", other)
    i = rng.randrange(12)
    if roll == 2:
        step, forms = rng.choice([(1, ["What month comes after {}?", "Which month is after {}?", "What month follows {}?", "Which month comes right after {}?", "What is the month after {}?"]),
                                  (-1, ["What month comes before {}?", "Which month is before {}?", "What is the month before {}?", "Which month comes right before {}?"])])
        other = MONTHS[(i + step) % 12]
        return Turn(rng.choice(forms).format(MONTHS[i]), f"{other} comes {'after' if step > 0 else 'before'} {MONTHS[i]}.", other)
    if roll == 3:
        q = rng.choice(["How many days does {} have?", "How many days are there in {}?", "How many days are in {}?", "How long is {}?", "How many days has {}?"])
        extra = ", and 29 in a leap year" if i == 1 else ""
        return Turn(q.format(MONTHS[i]), f"{MONTHS[i]} has {MONTH_DAYS[i]} days{extra}.", str(MONTH_DAYS[i]))
    if roll == 4:
        season = ["winter", "winter", "spring", "spring", "spring", "summer", "summer", "summer", "autumn", "autumn", "autumn", "winter"][i]
        q = rng.choice(["Which season is {} in?", "In which season is {}?", "What season is it in {}?", "What season does {} belong to?"])
        return Turn(q.format(MONTHS[i]), f"{MONTHS[i]} is in {season}, in the northern half of the world.", cap(season))
    kind, names = rng.choice([("day of the week", DAYS), ("month of the year", MONTHS)])
    n = rng.randrange(len(names))
    q = rng.choice(["What is the {} {}?", "Which is the {} {}?", "Name the {} {}.", "What is the name of the {} {}?"])
    return Turn(q.format(w.ORDINALS[n], kind), f"The {w.ORDINALS[n]} {kind} is {names[n]}.", names[n])


def _word(rng):
    roll = rng.random()
    if roll < 0.5:
        one, two = rng.choice(OPPOSITES)
        if rng.random() < 0.5 and (two, one) not in (("lose", "win"), ("lose", "find"), ("right", "left"), ("right", "wrong"), ("light", "dark"), ("short", "tall")):
            one, two = two, one
        if one in ("right", "lose", "short", "light", "young", "old"):
            one, two = "hot", "cold"
        q = rng.choice(["What is the opposite of {}?", "What's the opposite of {}?", "Name the opposite of {}.", "Which word is the opposite of {}?", "Opposite of {}?",
                        "Tell me the opposite of {}.", "What word means the opposite of {}?", "What is the antonym of {}?"])
        return Turn(q.format(rng.choice([one, one, f'"{one}"'])), f"The opposite of {one} is {two}.", cap(two), match="contains", accept=[f"is {two}", cap(two)])
    one, many = rng.choice(PLURALS)
    if rng.random() < 0.8:
        q = rng.choice(["What is the plural of {}?", "What's the plural of {}?", "Plural of {}?", "Tell me the plural of {}.", "How do you write the plural of {}?",
                        "What is the plural form of {}?", "One {}, two what?", "How do you say more than one {}?"])
        return Turn(q.format(one), f"The plural of {one} is {many}.", cap(many))
    q = rng.choice(["What is the singular of {}?", "Tell me the singular of {}.", "What is the singular form of {}?", "Singular of {}?"])
    return Turn(q.format(many), f"The singular of {many} is {one}.", cap(one))


def _animal(rng):
    name, (sound, young, home, food, legs) = rng.choice(list(w.ANIMALS.items()))
    roll = rng.randrange(6)
    one = a(name)
    if roll == 0:
        q = rng.choice(["What sound does {} make?", "What does {} say?", "What noise does {} make?", "Which sound does {} make?", "How does {} sound?"])
        return Turn(q.format(one), f"{cap(a(name))} goes \"{sound}\"." if sound in ("meow", "woof", "moo", "baa", "oink", "neigh", "quack", "buzz", "caw", "hoot", "cluck") else f"{cap(one)} can {sound}.", cap(sound))
    if roll == 1:
        q = rng.choice(["What is a baby {} called?", "What do you call a baby {}?", "What is the young of {one} called?", "What is the name for a baby {}?", "What do we call a young {}?"])
        return Turn(q.format(name, one=one), f"A baby {name} is called {a(young)}.", cap(young))
    if roll == 2:
        q = rng.choice(["Where does {} live?", "Where do you find {}?", "What is the home of {}?", "Where does {} sleep?"])
        return Turn(q.format(one), f"{cap(one)} lives in {home}.", cap(home))
    if roll == 3:
        q = rng.choice(["What does {} eat?", "What do you feed {}?", "What does {} like to eat?", "What is the food of {}?"])
        return Turn(q.format(one), f"{cap(one)} eats {food}.", cap(food))
    if roll == 4:
        if rng.random() < 0.5:
            name, legs = rng.choice(list(MORE_LEGS.items()))
        q = rng.choice(["How many legs does {} have?", "How many legs has {}?", "What number of legs does {} have?", "Can you tell me how many legs {} has?"])
        return Turn(q.format(a(name)), f"{cap(a(name))} has {LEGS[legs]} legs.", cap(LEGS[legs]))
    if name == "snake":
        name = "cat"
    flies = name in ("duck", "owl", "bee", "crow", "goose")
    swims = name in ("duck", "frog", "seal", "goose")
    verb, can = rng.choice([("fly", flies), ("swim", swims)])
    if verb == "swim" and not swims:
        verb, can = "fly", flies
    if name in ("hen", "rooster", "turkey"):
        name, verb, can = "penguin", "fly", False
    q = rng.choice(["Can {} {}?", "Is {} able to {}?", "Do you think {} can {}?"])
    one = a(name)
    return Turn(q.format(one, verb), f"Yes, {one} can {verb}." if can else f"No, {one} cannot {verb}.", "Yes" if can else "No")


def _colour(rng):
    roll = rng.randrange(3)
    if roll == 0:
        thing, colour = rng.choice(list(COLOUR_OF.items()))
    elif roll == 1:
        thing, colour = rng.choice(list(COLOUR_OF_ONE.items()))
        thing = a(thing)
    else:
        thing, colour = rng.choice(list(SKY.items()))
    q = rng.choice(["What colour is {}?", "What color is {}?", "Which colour is {}?", "What is the colour of {}?", "Tell me the colour of {}.", "What is the color of {}?"])
    return Turn(q.format(thing), f"{cap(thing)} is {colour}.", cap(colour))


def _number_fact(rng):
    if rng.random() < 0.3:
        shape, sides = rng.choice(list(SHAPES.items()))
        part = rng.choice(["sides", "corners"])
        q = rng.choice(["How many {p} does {s} have?", "How many {p} has {s}?", "What number of {p} does {s} have?"])
        return Turn(q.format(p=part, s=a(shape)), f"{cap(a(shape))} has {w.NUMBER_WORDS[sides]} {part}.", cap(w.NUMBER_WORDS[sides]))
    tail, answer = rng.choice(list(COUNTS.items()))
    q = rng.choice(["How many {}?", "Can you tell me how many {}?", "Do you know how many {}?", "Tell me how many {}."])
    tail = tail.replace(" are there", rng.choice([" are there", " are there", " are"])) if " in " in tail or " on " in tail else tail
    if q[0] != "H":
        tail = tail.replace(" are there", " there are")
    return Turn(q.format(tail), f"There are {answer}.", None, match="contains", accept=[answer.split(":")[0]])


_LEADS = ["Do you know this: {}", "Quiz question: {}", "My child asks: {}", "I wonder: {}", "Here is a question: {}", "I forgot: {}", "One more question: {}", "A friend asked me: {}", "Can you answer this? {}", "For my homework: {}"]


def _known(rng):
    forms, answer, short = rng.choice(KNOWN)
    form = rng.choice(forms.split("|"))
    # The bare question is always learned; with a lead-in it may be held.
    if chance(rng, 0.5):
        return Turn(form, answer, None, match="contains", accept=[short or answer], key="")
    return Turn(rng.choice(_LEADS).format(form), answer, None, match="contains", accept=[short or answer])


def _definition(rng):
    thing, answer = rng.choice(list(DEFINITIONS.items()))
    q = rng.choice(["What is {}?", "What's {}?", "Explain what {} is.", "Tell me what {} is.", "What does {bare} mean?", "Define {bare}.", "Can you explain what {} is?",
                    "Explain {}.", "Do you know what {} is?", "what is {}", "What exactly is {}?", "Can you tell me what {} is?"])
    bare = thing.removeprefix("a ").removeprefix("an ").removeprefix("the ")
    return Turn(q.format(thing, bare=bare), answer)


SYNONYMS = [pair.split("/") for pair in """happy/glad big/large small/little fast/quick smart/clever begin/start end/finish sad/unhappy angry/cross shy/timid hard/difficult easy/simple funny/amusing
quiet/silent loud/noisy beautiful/lovely ugly/plain brave/courageous scared/afraid tired/sleepy rich/wealthy strong/powerful nice/kind cold/chilly hot/boiling old/ancient new/fresh talk/speak look/see
shout/yell jump/leap run/race walk/stroll gift/present house/home road/street rock/stone forest/woods boat/ship doctor/physician child/kid picture/image""".split()]
RHYMES = [pair.split("/") for pair in """cat/hat dog/log house/mouse tree/bee sun/fun moon/spoon star/car cake/lake fish/dish bear/pear fox/box rain/train night/light day/play ring/king book/hook ball/wall
boat/goat snow/crow bed/red sea/key hen/pen bell/shell bug/rug chair/hair door/floor hill/mill nose/rose sock/clock sand/hand wing/swing tail/snail love/dove sky/fly""".split()]


def _relation(rng):
    if chance(rng, 0.5):
        one, two = rng.choice(SYNONYMS)
        q = rng.choice(["What is a synonym for {}?", "Give me a synonym for {}.", "What is another word for {}?", "Tell me a word that means the same as {}.", "Find a synonym for {}.", "Another word for {}?"])
        return Turn(q.format(one), f"Another word for {one} is {two}.", cap(two))
    one, two = rng.choice(RHYMES)
    if chance(rng, 0.5):
        one, two = two, one
    q = rng.choice(["What rhymes with {}?", "Give me a word that rhymes with {}.", "Which word rhymes with {}?", "Find a rhyme for {}.", "Tell me a rhyme for {}.", "A rhyme for {}?"])
    return Turn(q.format(one), f"{cap(two)} rhymes with {one}.", cap(two))


def _describe(rng):
    name, (sound, young, home, food, legs) = rng.choice(list(w.ANIMALS.items()))
    many = dict(PLURALS).get(name, name + "s")
    one = a(name)
    q = rng.choice(["Tell me about {}.", "What do you know about {}?", "Tell me something about {}.", "Can you tell me about {}?", "Describe {}.", "What can you tell me about {}?"]).format(rng.choice([many, many, one, f"the {name}"]))
    if chance(rng, 0.2):
        q = rng.choice(["What is {}?", "What exactly is {}?", "Explain what {} is."]).format(one)
    return Turn(q, f"{cap(one)} is an animal with {LEGS[legs]} legs. It eats {food} and lives in {home}. A baby {name} is called {a(young)}.")


def _translate(rng):
    language, line = rng.choice(list(LANGUAGES.items()))
    i = rng.randrange(8)
    foreign = line.split()[i].replace("_", " ")
    q = rng.choice(["How do you say {} in {}?", "What is {} in {}?", "Translate {} into {}.", "What is the {1} word for {0}?", "How do I say {} in {}?", "What does {} mean in {}?", "Say {} in {}."])
    return Turn(q.format(rng.choice([WORDS_TRANSLATED[i], f'"{WORDS_TRANSLATED[i]}"']), language), f'"{cap(WORDS_TRANSLATED[i])}" in {language} is "{foreign}".', cap(foreign))


def _belongs(rng):
    kind, members = rng.choice(list(NOT_CATEGORY.items()))
    true = rng.random() < 0.5
    other = rng.choice([k for k in NOT_CATEGORY if k != kind and {k, kind} != {"fruit", "colour"}])
    item = rng.choice(members if true else NOT_CATEGORY[other])
    if kind == "colour" or other == "colour":
        kind, other = "animal", "fruit"
        item = rng.choice(NOT_CATEGORY["animal"] if true else NOT_CATEGORY["fruit"])
    q = rng.choice(["Is {} {}?", "Do you think {} is {}?", "Tell me, is {} {}?", "Would you say that {} is {}?"])
    answer = f"Yes, {a(item)} is {a(kind)}." if true else f"No, {a(item)} is {a(other)}."
    return Turn(q.format(a(item), a(kind)), answer, "Yes" if true else "No")


_MAKERS = [(_capital, 22), (_calendar, 14), (_word, 20), (_animal, 16), (_colour, 7), (_number_fact, 7), (_known, 14), (_definition, 16), (_translate, 6), (_belongs, 7), (_relation, 8), (_describe, 5)]


def question(rng):
    maker = rng.choices([m for m, _ in _MAKERS], [weight for _, weight in _MAKERS])[0]
    return maker(rng)


def follow_up(rng):
    """A question and elliptical follow-ups: "And of Spain?"."""
    kind = rng.randrange(4)
    n = rng.randrange(2, 4)
    if kind < 2:
        pairs = rng.sample([(country, city) for country, city in CAPITALS.items() if city[-1] != "."], n)
        first = rng.choice(["What is the capital of {}?", "Which city is the capital of {}?", "capital of {}", "Tell me the capital of {}."])
        forms, answer = ["And of {}?", "And {}?", "What about {}?", "And what about {}?", "and of {}", "and {}?", "How about {}?"], "The capital of {} is {}."
    elif kind == 2:
        pairs = rng.sample([p for p in OPPOSITES if p[0] not in ("right", "short", "light", "old", "lose")], n)
        first = rng.choice(["What is the opposite of {}?", "Tell me the opposite of {}."])
        forms, answer = ["And of {}?", "And {}?", "What about {}?", "and of {}"], "The opposite of {} is {}."
    else:
        pairs = rng.sample([p for p in PLURALS if p[0] != p[1]], n)
        first = rng.choice(["What is the plural of {}?", "Plural of {}?"])
        forms, answer = ["And of {}?", "And {}?", "What about {}?", "and of {}"], "The plural of {} is {}."
    return [Turn((first if i == 0 else rng.choice(forms)).format(one), answer.format(one, two), cap(two), key=f"follow {kind > 1} {one}" if i else None) for i, (one, two) in enumerate(pairs)]


def article(rng):
    """Simple true sentences as plain text, for completion prompts such as "The sky is"."""
    lines = []
    for _ in range(rng.randrange(3, 9)):
        roll = rng.randrange(7)
        if roll == 0:
            thing, colour = rng.choice(list(SKY.items()) + list(COLOUR_OF.items()))
            lines.append(f"{cap(thing)} is {colour}.")
        elif roll == 1:
            country, city = rng.choice(list(CAPITALS.items()))
            lines.append(f"The capital of {country} is {city.rstrip('.')}.")
        elif roll == 2:
            lines.append(rng.choice(list(DEFINITIONS.values())))
        elif roll == 3:
            name, (_, young, home, food, legs) = rng.choice(list(w.ANIMALS.items()))
            lines.append(rng.choice([f"{cap(a(name))} lives in {home}.", f"{cap(a(name))} eats {food}.", f"A baby {name} is called {a(young)}.", f"{cap(a(name))} has {LEGS[legs]} legs."]))
        elif roll == 4:
            i = rng.randrange(7)
            lines.append(f"After {DAYS[i]} comes {DAYS[(i + 1) % 7]}.")
        elif roll == 5:
            one, two = rng.choice(OPPOSITES)
            lines.append(f"The opposite of {one} is {two}." if one not in ("right",) else "Water is wet.")
        else:
            lines.append(rng.choice(["The sky is blue, and the grass is green.", "The sun is bright and warm.", "The sun rises in the east and sets in the west.",
                                     "Water freezes when it is very cold.", "Roses are red, violets are blue, sugar is sweet, and so are you.", "The moon shines at night.",
                                     f"There are {rng.choice(list(COUNTS.values()))}.", f"My favourite fruits are {join(rng.sample([f + 's' if f[-1] != 'y' and f[-1] != 'h' else f[:-1] + 'ies' if f[-1] == 'y' else f + 'es' for f in w.FRUITS], 3))}."]))
    return " ".join(lines)
