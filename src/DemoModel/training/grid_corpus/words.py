"""Word lists used by several parts of the generator."""

GIRLS = """Mia Anna Lily Ella Nora Ruby Zoe Clara Ivy Maya Rosa Leah Emma Sara Tilda Hana Lucy Amy
Olive Freya Kate Nina Wren Daisy Greta Ines Juno Kira Lena Molly Nell Pearl Sofia Tess Una Vera
Alice Bella Cora Dora Edith Fern Hazel Iris Jane Lola Marta Pia Rita Thea""".split()
BOYS = """Tom Ben Max Sam Leo Finn Jack Noah Omar Hugo Theo Luca Eli Adam Jonas Oscar Milo Ravi
Kofi Emil Felix Ned Otto Paul Rory Seth Toby Ugo Viktor Walter Arlo Bruno Carl Dan Erik Frank
George Henry Ivan Jon Karl Liam Mark Nico Peter Rafi Simon Tim Will Yusuf""".split()

# animal: (sound verb phrase, young, home, food, legs)
ANIMALS = {
    "cat": ("meow", "kitten", "a house", "fish", 4), "dog": ("woof", "puppy", "a kennel", "meat", 4),
    "cow": ("moo", "calf", "a barn", "grass", 4), "sheep": ("baa", "lamb", "a field", "grass", 4),
    "pig": ("oink", "piglet", "a sty", "roots", 4), "horse": ("neigh", "foal", "a stable", "hay", 4),
    "duck": ("quack", "duckling", "a pond", "water plants", 2), "hen": ("cluck", "chick", "a coop", "seeds", 2),
    "goat": ("bleat", "kid", "a hill farm", "leaves", 4), "lion": ("roar", "cub", "the savanna", "meat", 4),
    "wolf": ("howl", "pup", "a forest", "meat", 4), "owl": ("hoot", "owlet", "a hollow tree", "mice", 2),
    "frog": ("croak", "tadpole", "a pond", "insects", 4), "bee": ("buzz", "larva", "a hive", "nectar", 6),
    "mouse": ("squeak", "pup", "a hole", "seeds", 4), "snake": ("hiss", "snakelet", "a burrow", "mice", 0),
    "bear": ("growl", "cub", "a cave", "berries and fish", 4), "fox": ("bark", "kit", "a den", "mice and berries", 4),
    "rabbit": ("squeak", "kit", "a burrow", "carrots and grass", 4), "deer": ("grunt", "fawn", "a forest", "leaves", 4),
    "crow": ("caw", "chick", "a nest", "seeds and insects", 2), "elephant": ("trumpet", "calf", "the savanna", "leaves", 4),
    "donkey": ("bray", "foal", "a stable", "hay", 4), "turkey": ("gobble", "poult", "a farm", "seeds", 2),
    "tiger": ("roar", "cub", "the jungle", "meat", 4), "goose": ("honk", "gosling", "a lake", "grass", 2),
    "monkey": ("chatter", "infant", "the jungle", "fruit", 4), "squirrel": ("chatter", "kit", "a tree", "nuts", 4),
    "seal": ("bark", "pup", "the sea", "fish", 0), "rooster": ("crow", "chick", "a coop", "seeds", 2),
}
HERO_ANIMALS = """fox rabbit bear owl mouse cat dog duck frog hedgehog squirrel wolf deer crow goat
horse donkey hen turtle otter badger mole beaver penguin elephant lion tiger monkey kangaroo koala
panda seal whale dolphin crab snail bee ant spider butterfly parrot goose swan sheep pig cow lizard
snake camel giraffe zebra dragon unicorn robot hamster bat sparrow raccoon moose crocodile""".split()
HERO_PEOPLE = """baker farmer sailor teacher gardener painter miller fisher tailor shepherd king queen
prince princess knight wizard witch pirate giant boy girl doctor singer clockmaker cook carpenter
postman librarian blacksmith builder astronaut ghost scientist dancer pilot""".split()
TRAITS = """brave shy clever curious gentle kind lazy quiet cheerful lonely tiny old young hungry
careful proud funny patient sleepy friendly clumsy stubborn""".split()
OBJECTS = """lantern key kite boat bell map hat ring clock drum mirror book umbrella basket blanket
balloon candle button coin compass flute ladder pencil rope shell stone star teapot telescope umbrella
violin whistle wagon wheel window box cup feather flag flower garden hammer jar kettle lamp letter
mitten necklace nest paintbrush pearl pillow pumpkin puzzle quilt ribbon sandwich scarf seed shoe shovel
sled spoon suitcase sweater table tent ticket torch train trumpet vase whale-bone bucket bicycle bridge
broom cake carrot chair cookie crown cushion doll door apple acorn anchor backpack banana barrel bottle
bowl bracelet brush camera car card carpet cart castle cloud coat computer cradle cupboard desk diamond
dictionary drawing egg envelope fence fiddle fork fossil fountain gate glove guitar harp helmet honey-pot
hook igloo jacket jewel jigsaw kitchen leaf lemon locket lollipop magnet marble mask medal melon microscope
mushroom nut onion orange oven page pancake parcel peach pear pebble phone photograph piano picture
pie plane plant plate pot potato present purse radio rainbow recipe robot-toy rocket rose sail sandcastle
saw scissors-case shadow ship snowman sock song spade statue stool sundial swing sword tree treasure tower
toy tractor trophy tulip tunnel wand watch well wheelbarrow windmill wooden-spoon yo-yo""".replace(
    "whale-bone ", "").replace("robot-toy ", "").replace("scissors-case ", "").replace("wooden-spoon ", "").split()
OBJECTS = list(dict.fromkeys(word.replace("-", " ") if word != "yo-yo" else word for word in OBJECTS))
# The small things that a character can carry, lose, lend and mend.
SMALL = [word for word in OBJECTS if word not in set("""garden window bridge castle cloud fountain gate
kitchen igloo rainbow shadow tower tree tunnel well windmill statue oven piano ship car plane train tractor
door fence song page sandcastle snowman cupboard table tent swing leaf egg pancake pie cake sandwich
mushroom nut banana carrot cookie apple lemon melon onion orange peach pear potato rocket acorn""".split())]
COLOURS = "red blue green yellow orange purple white black brown pink grey silver golden".split()
PLACES = ["a small village", "a quiet valley", "a green forest", "a busy town", "a little house by the sea",
          "a farm on a hill", "a snowy mountain", "an old mill", "a sunny island", "a cottage near a lake",
          "a tall tower", "a warm burrow", "a garden full of roses", "a harbour", "a house at the end of a lane",
          "a wooden cabin", "a windy moor", "a tree house", "a big city", "a small blue boat"]
FOODS = """bread soup cheese honey apples pancakes rice noodles plums carrots mushrooms fish pears cherries
porridge dumplings beans nuts berries cake pie tomatoes potatoes eggs""".split()
# Characters and things of which each occurs in few stories: together with invented words they teach copying from the request.
MORE_KINDS = """walrus toaster ladybug ostrich peacock lobster octopus shark gorilla llama alpaca reindeer chipmunk weasel magpie raven heron stork pelican toad newt
beetle cricket worm caterpillar firefly dinosaur mermaid fairy elf dwarf troll ogre monster vampire zombie clown juggler magician detective mayor judge soldier ninja
cowboy firefighter plumber mechanic barber florist grocer janitor nurse dentist captain explorer inventor poet writer student grandmother grandfather uncle cousin neighbour
snowman scarecrow puppet alien cyborg cactus teddy bulldog poodle hippo rhino leopard cheetah jaguar vulture eagle falcon gecko salamander jellyfish starfish seahorse""".split()
MORE_THINGS = """toaster guitar string laptop microphone helicopter submarine skateboard trampoline volcano hourglass typewriter blender fridge freezer microwave bathtub sponge shampoo toothbrush
towel curtain pavement roof chimney staircase elevator escalator library museum zoo circus carnival parade wedding sandbox playground hammock canoe kayak raft saddle
horseshoe harness spear shield armour arrow bow boomerang slingshot catapult cannon parachute jetpack satellite spaceship meteor comet galaxy planet asteroid planetarium
dragonfruit pineapple coconut kiwi mango papaya fig date olive garlic ginger pickle pretzel waffle muffin doughnut croissant pudding yogurt omelette burger pizza spaghetti
lasagna taco burrito popcorn chocolate marshmallow gingerbread biscuit syrup jam marmalade mustard ketchup calculator keyboard printer battery bulb wire cable screw nail bolt""".replace("guitar string", "guitar").split()
CITIES = """London Paris Rome Berlin Madrid Oslo Vienna Dublin Lisbon Prague Boston Chicago Tokyo Sydney Toronto Delhi Cairo Lima Athens Hamburg Munich Zurich Geneva Milan Naples
Venice Lyon Bordeaux Seville Porto Krakow Warsaw Moscow Kyiv Istanbul Dubai Mumbai Shanghai Beijing Seoul Bangkok Manila Jakarta Melbourne Auckland Vancouver Montreal Seattle Denver Dallas
Houston Miami Atlanta Austin Portland Nairobi Lagos Accra Glasgow Leeds Bristol Manchester Liverpool Oxford Cambridge Utrecht Ghent Bern Basel Graz Linz Brno Malmo Bergen Turku""".split()
MORE_NAMES = """Bob Rosalie Xiaoming Brunhilda Mohammed Fatima Aisha Priya Arjun Wei Ling Yuki Hiroshi Kenji Akira Min Jin Olga Dmitri Natasha Sergei Ingrid Lars Sven Bjorn Astrid Helga
Klaus Jurgen Heidi Francois Pierre Claire Amelie Giulia Marco Luigi Carlos Maria Juan Jose Lucia Diego Miguel Ana Joao Pedro Ahmed Ali Hassan Leila Zara Kwame Amara Chidi Ngozi
Oluwaseun Thabo Zanele Dave Steve Mike John Mary Linda Susan Karen Brian Kevin Gary Larry Jim Bill Ted Fred Barbara Nancy Betty Sandra Ashley Jessica Amanda Melissa Jennifer
William James Robert Michael David Richard Joseph Thomas Charles Daniel Matthew Anthony Donald Steven Andrew Joshua Elizabeth Patricia Sarah Lisa Margaret Kimberly Donna Carol Michelle Emily
Alex Chris Sasha Robin Taylor Jordan Morgan Casey Riley Quinn""".split()
FRUITS = "apple banana cherry grape lemon mango orange peach pear plum strawberry melon".split()
VEGETABLES = "carrot potato onion cabbage pea bean tomato pepper leek spinach beet turnip".split()
LIST_ANIMALS = "cat dog horse cow sheep pig goat duck fox bear wolf owl".split()
LIST_COLOURS = "red blue green yellow orange purple pink brown black white grey silver".split()
LIST_TOOLS = "hammer saw drill wrench spade rake axe chisel pliers brush ladder file".split()
LIST_BIRDS = "owl crow robin sparrow eagle swan duck goose parrot penguin hawk pigeon".split()
LIST_CLOTHES = "shirt coat hat scarf sock shoe glove dress skirt belt jacket boot".split()
LIST_TREES = "oak pine birch maple willow elm ash cedar beech fir poplar chestnut".split()
LIST_INSTRUMENTS = "piano violin guitar drum flute harp trumpet cello horn fiddle clarinet organ".split()
SPELL_WORDS = """apple animal autumn baby ball banana basket beach bear bell bird boat book bottle box boy
bread bridge brother butter button cake candle carrot castle cat chair cheese cherry chicken child city
clock cloud coat cold colour corn cousin cow crown cup dance day desk dinner doctor dog doll door dragon
dream dress drum duck ear earth east egg elephant engine eye face farm father feather field finger fire
fish flag flower fly food forest fork fox friend frog fruit game garden ghost giant girl glass goat gold
goose grape grass green guitar hair hammer hand happy hat heart hill honey horse house ice island jacket
jelly juice jungle key king kitchen kite kitten knife ladder lady lake lamb lamp leaf lemon letter library
lion little lizard magic map market milk mirror money monkey month moon morning mother mountain mouse
mouth music nail name nest night north nose number nurse ocean onion orange owl paint paper parrot peach
pencil penguin people pepper piano picture pillow pirate planet plant plate pocket pony potato prince
pumpkin puppy purple queen question quiet rabbit rain ribbon rice ring river road robot rocket roof rose
sail salt sand school sea seed sheep shell ship shirt shoe silver sister sky sleep snail snake snow soap
sock song soup south spider spoon spring square squirrel star stone storm story street sugar summer sun
table tail tea teacher tent tiger toast tomato tooth towel town toy train tree triangle truck turtle
umbrella uncle valley vegetable village violin wagon wall water week west whale wheel wind window winter
wolf woman wood word world yellow zebra strawberry raspberry computer keyboard hello goodbye banana pineapple
hippopotamus crocodile dinosaur chocolate spaghetti elephant butterfly strawberry language alphabet""".split()
SPELL_WORDS = sorted(set(SPELL_WORDS))
COPY_WORDS = sorted(set(SPELL_WORDS + SMALL + HERO_ANIMALS + COLOURS + FOODS))
NUMBER_WORDS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen twenty""".split()
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
