"""Short stories: a hero, a thing, a problem, an attempt, an ending."""

from dataclasses import dataclass

from . import words as w
from .base import Turn, a, cap, chance, pseudo

_MALE = set("king prince knight wizard postman boy".split())
_FEMALE = set("queen princess witch girl".split())


@dataclass
class Cast:
    kind: str
    name: str
    thing: str
    friend_kind: str
    friend: str
    place: str
    trait: str
    he: str = "he"

    @property
    def him(self):
        return "him" if self.he == "he" else "her"

    @property
    def his(self):
        return "his" if self.he == "he" else "her"


def cast(rng, kind=None, thing=None, friend_kind=None, name=None, trait=None):
    kind = kind or rng.choice(w.HERO_ANIMALS if chance(rng, 0.6) else w.HERO_PEOPLE)
    if name is None:
        pool = w.BOYS if kind in _MALE or (kind not in _FEMALE and chance(rng, 0.5)) else w.GIRLS
        name = rng.choice(pool)
    known = name in w.GIRLS or name in w.BOYS
    he = "she" if kind in _FEMALE or (kind not in _MALE and (name in w.GIRLS or (not known and chance(rng, 0.5)))) else "he"
    friend_kind = friend_kind or rng.choice([k for k in w.HERO_ANIMALS + w.HERO_PEOPLE if k != kind])
    pool = w.BOYS if friend_kind in _MALE else w.GIRLS if friend_kind in _FEMALE else w.BOYS + w.GIRLS
    friend = rng.choice([n for n in pool if n != name])
    return Cast(kind, name, thing or rng.choice(w.OBJECTS), friend_kind, friend, rng.choice(w.PLACES), trait or rng.choice(w.TRAITS), he)


def _opening(rng, c):
    described = a(f"{c.trait} {c.kind}")
    return rng.choice([
        f"Once upon a time, {described} named {c.name} lived in {c.place}.",
        f"Once there was {described} called {c.name}. {cap(c.he)} lived in {c.place}.",
        f"In {c.place} lived {described}. {cap(c.his)} name was {c.name}.",
        f"There once was {described} named {c.name}, who lived in {c.place}.",
        f"{c.name} was {described} who lived in {c.place}.",
        f"A long time ago, {described} named {c.name} lived in {c.place}.",
    ]).replace("lived in a farm", "lived on a farm").replace("lived in a snowy mountain", "lived on a snowy mountain").replace(
        "lived in a sunny island", "lived on a sunny island").replace("lived in a windy moor", "lived on a windy moor").replace(
        "In a farm on", "On a farm on").replace("In a snowy", "On a snowy").replace("In a sunny island", "On a sunny island").replace(
        "In a windy", "On a windy").replace("lived in a small blue boat", "lived on a small blue boat").replace("In a small blue boat", "On a small blue boat").replace(
        "lived in a harbour", "lived by a harbour").replace("In a harbour", "By a harbour")


def _colour(rng, c):
    return rng.choice([
        f"Every morning {c.name} looked out of the window and said hello to the sun.", f"{c.name} liked long walks and warm soup.", f"Everyone there knew {c.name} and {c.his} {rng.choice(['big smile', 'funny hat', 'kind heart', 'old coat', 'loud laugh'])}.",
        f"{c.name} loved to {rng.choice(['sing', 'dance', 'dream', 'swim', 'read', 'climb', 'cook', 'listen to the rain', 'look at the stars', 'play in the grass'])}.",
        f"In the evening {c.he} often sat outside and counted the stars.", f"{c.name} was never in a hurry.",
    ])


def _weather(rng):
    return rng.choice(["It was a bright and sunny day.", "It was a cold and windy morning.", "Soft rain fell on the roofs.", "The leaves were red and gold.", "The birds were singing in the trees.",
                       "Snow covered the ground like a white blanket.", "The air smelled of flowers.", "A thick fog lay over the fields.", "The moon was round and bright."])


def _meet(rng, c, sentence):
    """Introduces the friend where the story first needs one."""
    return sentence.format(friend=f"{a(c.friend_kind)} named {c.friend}")


def _lost(rng, c):
    t = c.thing
    spot = rng.choice(["under the bed", "behind a big stone", "in the tall grass", "at the bottom of a bag", "under a pile of leaves", "on top of a wall", "behind the door"])
    return [
        rng.choice([f"{c.name} had {a(t)} that {c.he} loved more than anything.", f"The best thing {c.name} had was {a(t)}.", f"{c.name} took {c.his} {t} along wherever {c.he} went."]),
        rng.choice([f"One morning the {t} was gone.", f"One day {c.name} could not find the {t}.", f"But one evening the {t} was not in its place."]),
        rng.choice([f"{c.name} looked in every room, but {c.he} did not find it.", f"{cap(c.he)} searched high and low, but there was no {t}.", f'"Where is my {t}?" cried {c.name}, and {c.he} began to look everywhere.']),
        _meet(rng, c, rng.choice(["On the path {0} met {{friend}}.", "Just then {{friend}} came along.", "Soon {{friend}} heard about it and came over."]).format(c.he)),
        rng.choice([f'"Why are you so sad?" asked {c.friend}. "I lost my {t}," said {c.name}.', f'"I will help you," said {c.friend}. "Four eyes see more than two."', f'"Think back," said {c.friend}. "Where did you have the {t} last?"']),
        rng.choice([f"Together they went back the way {c.name} had come.", "They looked under every bush and behind every tree.", f"They searched the whole day, and {c.friend} never gave up."]),
        rng.choice([f"At last they found the {t} {spot}.", f"And there it was: the {t} lay {spot}!", f"Suddenly {c.friend} called out. The {t} was {spot}!"]),
        rng.choice([f'"Thank you!" said {c.name}. "A good friend is worth more than any {t}."', f"{c.name} was so happy that {c.he} hugged {c.friend}.", f"From that day on, {c.name} took better care of the {t}, and {c.he} had a new friend."]),
    ]


def _broken(rng, c):
    t = c.thing
    return [
        rng.choice([f"{cap(c.he)} owned {a(t)} that was very old.", f"{c.name} had {a(t)}, a present from {c.his} grandmother.", f"On the shelf stood {a(t)} that {c.name} was very proud of."]),
        rng.choice([f"One day the {t} fell down and broke.", f"One day {c.name} tripped, and the {t} broke.", f"But one night there was a crash. The {t} was broken!"]),
        rng.choice([f"{c.name} tried to mend it with {rng.choice(['string', 'glue', 'honey', 'mud', 'a nail'])}, but it fell apart again.", f"{cap(c.he)} tried all day to mend the {t}, but nothing worked.", f'"Oh no!" said {c.name}. {cap(c.he)} tried to put it together, but one piece was missing.']),
        _meet(rng, c, rng.choice(["So {0} went to see {{friend}}, who was good at mending things.", "Then {0} remembered {{friend}}, who could mend almost anything.", "In the next house lived {{friend}}, and {0} asked for help."]).format(c.he)),
        rng.choice([f'"Let me see," said {c.friend}. "We need patience, and we need two pairs of hands."', f'"I can show you how," said {c.friend}, "but you must do it yourself."', f'{c.friend} looked at the {t} for a long time. "It is not lost yet," said {c.friend}.']),
        rng.choice([f"They worked until the sun went down.", f"{c.name} held the pieces, and {c.friend} put them together.", f"It was slow work, and twice they had to begin again."]),
        rng.choice([f"In the end the {t} was whole again, and it looked even better than before.", f"At last the {t} was as good as new.", f"When they were done, you could hardly see that the {t} had been broken."]),
        rng.choice([f"{c.name} learned that it is no shame to ask for help.", f'"Thank you," said {c.name}. "Next time I will help you."', f"That evening they ate {rng.choice(w.FOODS)} together and laughed about it all."]),
    ]


def _found(rng, c):
    t = c.thing
    return [
        rng.choice([f"One day {c.name} found {a(t)} on the road.", f"While {c.he} was out walking, {c.name} saw something in the grass. It was {a(t)}!", f"One morning {a(t)} lay in front of {c.his} door."]),
        rng.choice([f"It was the finest {t} {c.he} had ever seen.", f'"How lovely!" said {c.name}. "I wonder whose {t} this is."', f"{cap(c.he)} wanted to keep it."]),
        rng.choice([f"But then {c.he} thought that somebody must be missing it.", f'"If I had lost it, I would be sad," thought {c.name}.', f"That night {c.he} could not sleep, because the {t} was not {c.his} own."]),
        rng.choice([f"So {c.name} took the {t} and asked everyone in the village.", f"The next day {c.name} went from door to door with the {t}.", f"{cap(c.he)} made a sign that said: I have found {a(t)}!"]),
        _meet(rng, c, rng.choice(["At the last house lived {friend}.", "By the well sat {friend}, looking very sad.", "In the afternoon came {friend}, out of breath."])),
        rng.choice([f'"My {t}!" cried {c.friend}. "I thought I would never see it again."', f'"That is my {t}!" said {c.friend}. "I have looked for it for three days."']),
        rng.choice([f"{c.name} gave it back at once, and it felt good.", f"{c.name} was a little sad to give the {t} away, but {c.he} knew it was right.", f"{c.name} smiled and gave the {t} back."]),
        rng.choice([f'"You are honest," said {c.friend}. "Come and eat {rng.choice(w.FOODS)} with me."', f"The two became friends, and {c.name} could use the {t} whenever {c.he} liked.", f"To say thank you, {c.friend} baked a big cake, and they ate it together."]),
    ]


def _gift(rng, c):
    t = c.thing
    job = rng.choice(["carried water", "swept the floor", "picked berries", "washed the windows", "chopped wood", "fed the hens", "watered the flowers"])
    return [
        _meet(rng, c, rng.choice([f"{c.name} had a friend, {{friend}}, and tomorrow was the friend's birthday.", f"{c.his} best friend was {{friend}}, who would soon have a birthday."])) .replace("her best", "Her best").replace("his best", "His best"),
        rng.choice([f"{c.name} knew what {c.friend} wished for: {a(t)}.", f'"I want to give {c.friend} {a(t)}," thought {c.name}.', f"More than anything, {c.friend} wanted {a(t)}."]),
        rng.choice([f"But {c.name} had only {rng.choice(['one coin', 'two coins', 'three coins'])}, and that was not enough.", f"But {c.name} had no money at all.", f"In the shop {c.he} saw a beautiful {t}, but it cost too much."]),
        rng.choice([f"So {c.he} went to the {rng.choice(['baker', 'farmer', 'miller', 'gardener'])} and asked for work.", f'"I will work for it," said {c.name}.']),
        rng.choice([f"All day long {c.he} {job}, until {c.his} arms were tired.", f"{cap(c.he)} {job} from morning till evening and did not complain."]),
        rng.choice([f"In the evening {c.he} had enough coins, and {c.he} ran to the shop.", f"At last {c.name} could buy the {t}."]),
        rng.choice([f"When {c.friend} opened the parcel, there was the {t}.", f'"Happy birthday!" said {c.name}, and gave {c.friend} the {t}.']),
        rng.choice([f'"This is the best present of all," said {c.friend}.', f"{c.friend} danced for joy, and {c.name} forgot how tired {c.he} was.", f"They played together until the moon came up."]),
    ]


def _share(rng, c):
    t = c.thing
    return [
        rng.choice([f"{c.name} had a wonderful {t}, and nobody else was allowed to touch it.", f"{cap(c.he)} had a new {t} and would not share it with anyone."]),
        _meet(rng, c, rng.choice(["One day {friend} came by.", "In the same street lived {friend}."])),
        rng.choice([f'"May I have a turn with the {t}?" asked {c.friend}. "No, it is mine!" said {c.name}.', f'"What a nice {t}! May I try it?" asked {c.friend}. But {c.name} shook {c.his} head.']),
        rng.choice([f"So {c.friend} went away, and {c.name} was alone with the {t}.", f"{c.friend} walked home slowly and did not look back."]),
        rng.choice([f"After a while it was no fun anymore.", f"{c.name} soon felt lonely. What good was {a(t)} without a friend?", f"The house was very quiet, and the {t} did not seem so wonderful now."]),
        rng.choice([f"{c.name} thought about it for a long time.", f'"I was not kind," thought {c.name}.']),
        rng.choice([f'{cap(c.he)} ran to {c.friend} and said, "I am sorry. Let us share the {t}."', f'The next day {c.he} knocked at the door. "I am sorry," said {c.name}. "Here is the {t}. You go first."']),
        rng.choice([f"They took turns all afternoon, and it was twice as much fun.", f"{c.friend} smiled, and soon both of them were laughing.", f"From then on they shared everything."]),
    ]


def _magic(rng, c):
    t = c.thing
    wish, trouble = rng.choice([("to be very tall", "could not fit through the door"), ("for a mountain of cake", "had a terrible stomach ache"), ("to be very small", "was afraid of every beetle"),
                                ("for snow in summer", "saw that all the flowers were cold"), ("to be able to fly", "could not come down again"), ("for a hundred hats", "could not find the bed under all the hats"),
                                ("to be invisible", "found that nobody could see or greet anyone like that"), ("that nobody would ever sleep", "saw that all the people were tired and cross")])
    trouble = trouble.replace("found that nobody could see or greet anyone like that", "was sad, because nobody said hello anymore")
    return [
        rng.choice([f"One night {c.name} saw a strange light. It came from {a(t)}.", f"One day {c.name} touched {a(t)}, and it began to glow.", f"In a dark corner {c.name} discovered {a(t)} that hummed softly."]),
        rng.choice([f'"I am a magic {t}," said a tiny voice. "You have two wishes."', f'"I can give you two wishes," whispered the {t}. "Think well!"']),
        rng.choice([f"{c.name} did not think for long. {cap(c.he)} wished {wish}.", f"Without thinking, {c.name} wished {wish}."]),
        rng.choice([f"It worked at once! At first it was wonderful.", f"There was a flash, and the wish came true. {c.name} laughed with joy."]),
        rng.choice([f"But soon {c.name} {trouble}.", f"But before the evening {c.name} {trouble}."]),
        _meet(rng, c, rng.choice(['Then {friend} came by and said, "You have one wish left. Use it well."', 'A neighbour, {friend}, said, "Not every wish is a good one."'])),
        rng.choice([f"So {c.name} took the {t} and wished that everything would be as before.", f'"I wish that everything was as it used to be," said {c.name} to the {t}.']),
        rng.choice([f"And so it was. The {t} never glowed again, and {c.name} did not mind at all.", f"The light went out. {c.name} was happy to be just {c.name} again.", f"From that day on, {c.name} was content with what {c.he} had."]),
    ]


def _make(rng, c):
    t = c.thing
    return [
        rng.choice([f"{c.name} wanted to make {a(t)}, the most beautiful {t} in the whole land.", f'"I am going to make {a(t)}," said {c.name} one day.', f"Nobody far and wide had {a(t)}, so {c.name} decided to make one."]),
        rng.choice([f"{cap(c.he)} worked all morning, but the first {t} fell to pieces.", f"The first try looked more like a {rng.choice(['potato', 'shoe', 'sad hat'])} than like {a(t)}.", f"It was harder than {c.he} had thought."]),
        rng.choice([f'"I will never learn it," sighed {c.name}.', f"{c.name} was so cross that {c.he} stamped {c.his} foot.", f"The second try was not much better."]),
        _meet(rng, c, rng.choice(["That day {friend} was watching over the fence.", "Then {friend} came to visit."])),
        rng.choice([f'"Everything is hard before it is easy," said {c.friend}. "Go slowly, and begin with the small parts."', f'"I needed ten tries for mine," said {c.friend}. "Try again tomorrow."']),
        rng.choice([f"So {c.name} tried again the next day, and the day after that.", f"{c.name} took a deep breath and began once more, slowly this time."]),
        rng.choice([f"After a week, there it was: a real {t}!", f"And at last, the {t} was finished. It was a little crooked, but it was beautiful."]),
        rng.choice([f"Everyone came to see it, and {c.name} was very proud.", f"{c.name} gave it a place where all could see it, and next to it {c.he} wrote: Never give up.", f"{c.friend} clapped, and {c.name} bowed like a king on a stage.".replace("king", "queen" if c.he == "she" else "king")]),
    ]


def _noise(rng, c):
    t = c.thing
    baby = rng.choice(["kitten", "baby bird", "tiny mouse", "puppy", "little frog", "small hedgehog", "lost duckling"])
    return [
        rng.choice([f"One night {c.name} heard a strange noise. It came from {a(t)}.", f"Near the house there was {a(t)}, and one evening it began to make a strange noise."]),
        rng.choice([f'"Squeak, squeak," went the {t}.', f'"Tap, tap, tap," it went.', f"It sounded as if the {t} was crying."]),
        rng.choice([f"{c.name} was afraid and pulled the blanket over {c.his} head.", f"{c.name} did not dare to move."]),
        _meet(rng, c, rng.choice(["In the morning {0} told {{friend}} about it.", "The next day {0} went to ask {{friend}} for advice."]).format(c.he)),
        rng.choice([f'"Let us look together," said {c.friend}. "Most things are less scary in the light."', f'"I am a little afraid, too," said {c.friend}. "But two are braver than one."']),
        rng.choice([f"On tiptoe they went to the {t}.", f"Hand in hand they walked up to the {t} and looked closely."]),
        rng.choice([f"And what did they see? Behind the {t} sat a {baby}, cold and hungry.", f"There, close to the {t}, sat a {baby} that had lost its mother."]),
        rng.choice([f"They gave the {baby} some milk and a warm place to sleep, and nobody was afraid anymore.", f"They took good care of the {baby}, and the next day its mother came and took it home.", f'"So you made the noise!" laughed {c.name}. From then on they were three friends.']),
    ]


def _journey(rng, c):
    t = c.thing
    far = rng.choice(["on the other side of the mountain", "beyond the seven hills", "at the end of the river", "far away in the north", "on an island in the lake"])
    hurdle, solved = rng.choice([("a wide river", "built a raft from old branches"), ("a deep forest", "followed the stars"), ("a steep cliff", "climbed slowly, step by step"), ("a sleeping giant", "walked past on tiptoe"),
                                 ("a dark swamp", "hopped from stone to stone"), ("a locked gate", "sang until the guard opened it")])
    return [
        rng.choice([f"One day {c.name} heard of a famous {t} {far}.", f"An old story told of a wonderful {t} {far}.", f"{c.name} dreamed of {a(t)} {far}."]),
        rng.choice([f'"I must see that {t}," said {c.name}, and packed some {rng.choice(w.FOODS)}.', f"{cap(c.he)} put on {c.his} best boots and set off early in the morning."]),
        _meet(rng, c, rng.choice(["On the way {0} met {{friend}}, and they went on together.", "At the crossroads stood {{friend}}, who wanted to come along."]).format(c.he)),
        rng.choice([f"Soon they came to {hurdle}.", f"On the second day they stood before {hurdle}."]),
        rng.choice([f'"We must turn back," said {c.friend}. "No," said {c.name}, "there is always a way."', f'"How can we get past?" asked {c.name}. They sat down and thought.']),
        rng.choice([f"They {solved}.", f"Then they had an idea. They {solved}."]),
        rng.choice([f"On the third day they saw the {t}. It shone in the sun, and it was even more beautiful than in the stories.", f"And finally they reached the {t}. They stood there and said nothing for a long time."]),
        rng.choice([f'"The {t} is lovely," said {c.name}, "but the best part was going there with you."', f"When {c.name} came home, {c.he} told everyone about the {t}, and the children listened with wide eyes.", f"Then they walked home, tired and happy."]),
    ]


def _guard(rng, c):
    t = c.thing
    return [
        _meet(rng, c, rng.choice([f"One day {{friend}} had to go on a trip and asked {c.name} to look after {a(t)}.", f'"Will you watch my {t} for a day?" asked {{friend}}.'])),
        rng.choice([f'"Of course," said {c.name}. "Nothing will happen to the {t}."', f"{c.name} promised to be careful with the {t}."]),
        rng.choice([f"But the sun was warm, and {c.name} fell asleep.", f"At first all went well, but then {c.name} began to play and forgot about the {t}."]),
        rng.choice([f"When {c.he} woke up, the {t} was {rng.choice(['full of mud', 'covered with paint', 'upside down', 'in the middle of a puddle'])}!", f"Suddenly there was a loud noise. The {t} had {rng.choice(['a big scratch', 'a hole', 'a crack'])}!"]),
        rng.choice([f'"What shall I do?" thought {c.name}. "Shall I say that it was the wind?"', f"{c.name} wanted to hide, but {c.he} knew that this would not help."]),
        rng.choice([f"{cap(c.he)} cleaned the {t} as well as {c.he} could.", f"All evening {c.he} worked to make the {t} nice again."]),
        rng.choice([f'When {c.friend} came back, {c.name} told the truth. "I fell asleep. I am very sorry."', f'When {c.friend} returned, {c.name} said, "It was my fault. I did not take care of the {t}."']),
        rng.choice([f'"Thank you for telling me," said {c.friend}. "A {t} can be mended. A lie cannot."', f"{c.friend} was angry for a moment, but then smiled. \"An honest friend is a good friend.\""]).replace("A a", "An a").replace("A e", "An e").replace("A o", "An o").replace("A u", "An u"),
    ]


def _storm(rng, c):
    t = c.thing
    return [
        rng.choice([f"{c.name} had {a(t)} that everyone laughed about.", f'"What do you need {a(t)} for?" the others often asked {c.name}.', f"{c.name} always carried {a(t)}, and nobody knew why."]),
        rng.choice([f"One evening a great storm came up.", f"One night it became so dark that nobody could see the road."]),
        _meet(rng, c, rng.choice(["Out in the storm was {friend}, who could not find the way home.", "Somewhere out there was {friend}, all alone and afraid."])),
        rng.choice([f"The neighbours called and called, but the wind was too loud.", f"Everyone was afraid to go outside."]),
        rng.choice([f'Then {c.name} had an idea. "My {t}!" {c.he} cried.', f"Only {c.name} was not afraid. {cap(c.he)} took the {t} and went out."]),
        rng.choice([f"{cap(c.he)} climbed the hill and waved the {t} high in the air, again and again.", f"{cap(c.he)} stood on the wall with the {t} and did not move until the morning."]),
        rng.choice([f"{c.friend} saw the {t} from far away and walked towards it.", f'"There is {c.name} with the {t}!" cried {c.friend}, and ran home as fast as possible.']),
        rng.choice([f"After that night, nobody laughed about the {t} anymore.", f"The whole village said thank you, and {c.name} was a hero for a day.", f"They drank hot milk by the fire, and the {t} hung over the door for ever after."]),
    ]


_SMALL_PLOTS = [_lost, _broken, _found, _gift, _share, _storm]
_ANY_PLOTS = [_magic, _make, _noise, _journey, _guard]
_MORALS = {
    "friendship": [_lost, _share, _noise], "courage": [_noise, _storm, _journey], "honesty": [_found, _guard], "sharing": [_share], "kindness": [_gift, _found],
    "patience": [_make, _broken], "helping": [_lost, _broken], "magic": [_magic], "an adventure": [_journey], "a birthday": [_gift], "a storm": [_storm], "a wish": [_magic], "a mistake": [_guard], "being brave": [_storm, _noise],
}
_ENDINGS = ["The end.", "And they lived happily ever after.", "That night everyone slept well.", "And that is the end of the story.", ""]


def tell(rng, c, length="normal", plots=None, detail=None):
    """The story's text; detail follows the opening. Long stories join two plots with the same hero."""
    portable = c.thing in w.SMALL or c.thing not in w.OBJECTS
    choices = plots or (_SMALL_PLOTS + _ANY_PLOTS if portable else _ANY_PLOTS)
    plot = rng.choice(choices)
    body = plot(rng, c)
    if length == "short":
        keep = [0, 1, 3, 5, 6, 7] if plot not in (_lost, _storm) else [0, 1, 3, 6, 7]
        if plot in (_gift, _share, _guard):
            keep = [0, 1, 2, 4, 6, 7] if plot is not _guard else [0, 1, 2, 3, 6, 7]
        if plot is _storm:
            keep = [0, 1, 2, 4, 6, 7]
        if plot is _journey:
            keep = [0, 1, 2, 3, 5, 6, 7]
        if plot is _magic:
            keep = [0, 1, 2, 4, 5, 6, 7]
        if plot is _found:
            keep = [0, 2, 4, 5, 6]
        lines = [_opening(rng, c)] + [body[i] for i in keep]
    else:
        lines = [_opening(rng, c)]
        if chance(rng, 0.5) or length == "long":
            lines.append(_colour(rng, c))
        if chance(rng, 0.3) or length == "long":
            lines.append(_weather(rng))
        lines += body
    if length == "long":
        other = cast(rng, c.kind, None, None, c.name, c.trait)
        other.he, other.place = c.he, c.place
        if other.friend == c.friend:
            other.friend = "Rosalind"
        other.thing = rng.choice(w.SMALL)
        second = rng.choice([p for p in _SMALL_PLOTS + _ANY_PLOTS if p is not plot])(rng, other)
        bridge = rng.choice(["Some weeks later, something else happened.", "But that was not the end of the story.", "The next spring brought a new adventure.", f"Life went on, and {c.name} soon had other things to think about."])
        lines += [bridge] + second
    if detail:
        lines.insert(1, detail)
    ending = rng.choice(_ENDINGS)
    paragraphs = [lines]
    if len(lines) > 9 and chance(rng, 0.5):
        cut = len(lines) // 2
        paragraphs = [lines[:cut], lines[cut:]]
    text = "\n\n".join(" ".join(part) for part in paragraphs)
    return text + (" " + ending if ending else "")


def raw(rng):
    return tell(rng, cast(rng), rng.choices(["short", "normal", "long"], [2, 5, 3])[0])


_CLAUSES = {  # what a request may add about the hero, and the sentence that takes it up
    "who is afraid of the dark": "{name} was afraid of the dark.", "who wants to fly": "More than anything, {name} wanted to fly.", "who cannot sleep": "{name} often could not sleep at night.",
    "who lives in the forest": "{name} knew every tree of the forest.", "who loves music": "{name} loved music and sang all day.", "who goes to school": "Every day {name} went to school.",
    "who learns to swim": "That summer {name} had learned to swim.", "who gets lost": "{name} often got lost.", "who finds a friend": "{name} wished for a friend.", "who travels to the moon": "{He} dreamed of a trip to the moon.",
    "who is very small": "{name} was very, very small.", "in the snow": "Outside, everything was white with snow.", "in a big city": "{name} knew every street of the big city.", "on a farm": "{name} helped on the farm every day.",
    "at the sea": "{name} loved the sea.", "in space": "At night {he} looked up into space and counted the stars.", "who has no friends": "{name} had no friends yet.", "who saves the day": "Nobody knew that {name} would save the day.",
    "who makes a mistake": "{name} did not like to make mistakes.", "that can talk": "{name} could talk, and people liked to listen.", "with a secret": "{name} had a secret.", "in the rain": "It had rained for three days.",
    "in a castle": "From the window {he} could see an old castle.", "who helps others": "{name} liked to help others.", "who is always late": "{name} was always late.", "under water": "{name} liked to dive under water.",
    "who likes to eat": "{name} liked to eat, and most of all {he} liked cake.", "who loves books": "{name} loved books and read every evening.", "who is sad": "{name} was often sad.", "who is lonely": "{name} was lonely.", "who wants to be brave": "{name} wanted to be brave.",
}
_VERBS = ["Tell me", "Write", "Write me", "Tell", "Make up", "Can you tell me", "Can you write", "Please tell me", "I would like to hear", "I want", "Could you write", "Please write"]


def request(rng):
    """A chat turn that asks for a story, and the cast it must have."""
    new_kind = rng.choice([rng.choice(w.MORE_KINDS), rng.choice(w.MORE_KINDS), pseudo(rng)]) if chance(rng, 0.22) else None
    new_thing = rng.choice([rng.choice(w.MORE_THINGS), rng.choice(w.MORE_THINGS), pseudo(rng)]) if chance(rng, 0.22) else None
    new_friend = rng.choice(w.MORE_KINDS) if chance(rng, 0.1) else None
    new_name = rng.choice([rng.choice(w.MORE_NAMES), cap(pseudo(rng))]) if chance(rng, 0.15) else None
    c = cast(rng, new_kind, new_thing, new_friend, new_name)
    length = rng.choices(["short", "normal", "long"], [3, 6, 2])[0]
    adjective = {"short": rng.choice(["short ", "very short ", "little "]), "normal": rng.choice(["", "", "", "bedtime ", "nice ", "funny ", "good "]), "long": rng.choice(["long ", "longer "])}[length]
    kind, thing = c.kind, c.thing
    plots = None
    roll = rng.random()
    accept = [c.kind, c.thing]
    key = None
    if roll < 0.40:
        about = rng.choice([f"{a(kind)} and {a(thing)}", f"{a(kind)} and {a(thing)}", f"{a(kind)} with {a(thing)}", f"{a(kind)} who finds {a(thing)}" if thing in w.SMALL else f"{a(kind)} who sees {a(thing)}", f"the {kind} and the {thing}"])
        if " finds " in about:
            plots = [_found]
        elif " sees " in about:
            plots = [_journey]
        if chance(rng, 0.2):
            about = f"{a(thing)} and {a(kind)}"
        key = f"story {kind} {thing}"
    elif roll < 0.55:
        about = rng.choice([a(kind), a(f"{c.trait} {kind}"), a(kind) + " " + rng.choice(list(_CLAUSES)), a(kind) + " " + rng.choice(list(_CLAUSES)), f"{kind}s" if kind in w.HERO_ANIMALS and kind not in ("wolf", "deer", "sheep", "goose", "mouse", "moose", "fox", "butterfly") else a(kind),
                            f"my {kind}", f"the {kind}"])
        accept = [kind]
        key = f"story {about}" if c.trait in about else ""
    elif roll < 0.63:
        about = a(thing)
        accept, key = [thing], ""
    elif roll < 0.75:
        about = rng.choice([f"{a(kind)} and {a(c.friend_kind)}", f"{a(kind)} and {a(c.friend_kind)} who become friends"])
        accept, key = [kind, c.friend_kind], f"story {kind} {c.friend_kind}"
    elif roll < 0.85:
        about = rng.choice([f"{a(kind)} named {c.name}", f"{a(kind)} called {c.name}", f"{a(kind)} named {c.name} and {a(thing)}", f"{c.name} the {kind}"])
        accept = [kind, c.name] + ([thing] if f" and {a(thing)}" in about else [])
        key = f"story {kind} {c.name}"
    elif roll < 0.92:
        about = rng.choice(list(_MORALS))
        plots = _MORALS[about]
        if not all(p in _ANY_PLOTS for p in plots):
            c.thing = rng.choice(w.SMALL)
        accept, key = [c.name], ""
    else:
        about, accept, key = "", [c.name], ""
    if about:
        q = rng.choice(_VERBS) + f" a {adjective}story about {about}"
        if chance(rng, 0.12):
            q = cap(rng.choice([f"a {adjective}story about {about}", f"story about {about}", f"{adjective}story: {about}", f"Once more a {adjective}story about {about}"]))
    else:
        q = rng.choice([rng.choice(_VERBS) + f" a {adjective}story", f"A {adjective}story please", f"{adjective}story", f"Do you know a {adjective}story", f"Tell me some {adjective}story"]).replace("some ", "a ")
    question_like = q.split()[0] in ("Can", "Could", "Do")
    q += "?" if question_like else rng.choice([".", ".", "", " please.", "!"])
    # Unusual words belong to the request: what it does not name is taken from the ordinary lists.
    if kind not in about:
        c.kind = c.kind if c.kind in w.HERO_ANIMALS + w.HERO_PEOPLE else rng.choice(w.HERO_ANIMALS)
    if thing not in about and c.thing not in w.OBJECTS:
        c.thing = rng.choice(w.SMALL)
    if c.friend_kind not in about and c.friend_kind not in w.HERO_ANIMALS + w.HERO_PEOPLE:
        c.friend_kind = rng.choice([k for k in w.HERO_ANIMALS if k != c.kind])
    if c.name not in about and c.name not in w.GIRLS + w.BOYS:
        c.name = rng.choice([n for n in (w.GIRLS if c.he == "she" else w.BOYS) if n != c.friend])
        accept = [c.name] if len(accept) == 1 and accept[0] not in about else accept
    clause = next((sentence for clause, sentence in _CLAUSES.items() if about.endswith(f" {clause}")), None)
    answer = tell(rng, c, length, plots, clause and clause.format(name=c.name, he=c.he, He=cap(c.he), his=c.his))
    if chance(rng, 0.03):
        # The request is itself a beginning: the story goes on from there.
        start = answer.split(". ")[0]
        words = start.split(" ")
        start = " ".join(words[:rng.randrange(3, len(words) + 1)])
        q, answer, key = rng.choice(["{}", "{} ...", "{}...", "Continue: {}", "Continue this story: {}", "Finish this story: {}"]).format(start), answer, ""
        accept = [c.name]
    return Turn(q, answer, match="all", accept=accept, key=key), c


def question(rng):
    return request(rng)[0]


def with_follow_up(rng):
    turn, c = request(rng)
    turns = [turn]
    for _ in range(rng.randrange(1, 3)):
        roll = rng.randrange(5)
        if roll == 0:
            q = rng.choice(["What was the name of the {k}?", "What was the {k}'s name?", "What was the {k} called?", "Who was the story about?"]).format(k=c.kind)
            turns.append(Turn(q, f"The {c.kind} was called {c.name}.", c.name, key=f"follow {c.kind} {c.name}"))
        elif roll == 1 and c.friend in turn.answer:
            q = rng.choice(["Who was the friend?", "Who was the other one in the story?", f"Whom did {c.name} meet?", "What was the friend's name?"])
            turns.append(Turn(q, f"It was {c.friend}, the {c.friend_kind}.", c.friend, key=f"follow {c.friend_kind} {c.friend}"))
        elif roll == 2:
            q = rng.choice([f"Where did {c.name} live?", f"Where did the {c.kind} live?", "Where does the story take place?"])
            where = c.place
            preposition = "on" if any(x in where for x in ("farm", "mountain", "island", "moor", "boat")) else "by" if "harbour" in where else "in"
            turns.append(Turn(q, f"{c.name} lived {preposition} {where}.", cap(where), key=f"follow {c.name} {where}"))
        elif roll == 3:
            q = rng.choice(["Tell me another one.", "Another story please.", "Tell me another story.", "One more story!", "Again!", "Another one!", "more please"])
            turn, c = Turn(q, tell(rng, cast(rng)), key=""), c
            turns.append(turn)
            break
        else:
            q = rng.choice(["Thank you!", "That was nice.", "I liked that story.", "Nice story!", "Good story.", "That was a good story, thanks."])
            turns.append(Turn(q, rng.choice(["I am glad that you liked it!", "Thank you! Would you like another one?"]), key=""))
    return turns
