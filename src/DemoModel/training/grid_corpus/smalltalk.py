"""What a stranger says first: greetings, questions about the model, jokes, feelings, poems, thanks."""

from . import words as w
from .base import Turn, a, cap, chance, pseudo

ABOUT = "I am the Grid demo model, a very small language model. I was trained from scratch on made-up stories, simple facts and small sums."
ABLE = "I can tell short stories, answer questions about the made-up land of Tamrin, name capital cities, do small sums, count, spell words and repeat lists."

INTENTS = [  # (ways to say it, possible answers, words of which one must occur in a right answer)
    ("hello|hi|hey|hello there|hi there|hey there|good day|hiya|howdy|yo|greetings|hello!|hi!|hey!|hallo|hello model|hello bot|hi bot|hello grid|hi grid|hello, how are you today|hello friend|heya|hi hi|hello hello|hello?|anyone there|is anybody there|helo|hii|heyy",
     ["Hello! How can I help you?", "Hello! I am the Grid demo model. What would you like to talk about?", "Hi there! Ask me for a story, a small sum or a capital city."], ["hello", "hi"]),
    ("good morning|morning|good morning to you", ["Good morning! How can I help you today?"], ["good morning"]),
    ("good evening|evening|good evening to you", ["Good evening! How can I help you?"], ["good evening"]),
    ("good afternoon", ["Good afternoon! How can I help you?"], ["good afternoon"]),
    ("good night|night night|sleep well", ["Good night! Sleep well."], ["good night"]),
    ("who are you|what are you|who are you exactly|tell me about yourself|introduce yourself|what is this|please introduce yourself|what is grid|who am i talking to|what am i talking to|what kind of model are you|what model are you|which model are you|tell me who you are|can you introduce yourself|describe yourself|what is the grid demo model|whats this|who r u|who is this|and who are you|so who are you|what exactly are you",
     [ABOUT], ["grid demo model"]),
    ("what is your name|what's your name|your name|do you have a name|how are you called|tell me your name|may i know your name|what should i call you|what do i call you|whats your name|what are you called|name please|can you tell me your name|how should i call you",
     ["My name is Grid demo. I am a small demo model."], ["grid demo"]),
    ("what can you do|what can i ask you|help|help me|can you help me|what do you know|what are you good at|what should i ask|how can you help me|what are your abilities|what are your skills|give me some ideas|what can you tell me|how do i use you|what can i do here|what topics do you know|what else can you do|what do you do|can you do anything|what can we talk about|how does this work|show me what you can do|what are you able to do|i need help|please help me|what is possible here|what could i ask you",
     [ABLE], ["stories", "sums"]),
    ("what can you not do|what are your limits|what are your limitations|what don't you know|what are you bad at|how smart are you|are you smart|are you intelligent|are you clever|can i trust you|do you make mistakes|are you always right|how good are you|can i rely on your answers|are you reliable|is everything you say true",
     ["I am very small, so I make mistakes and know only a tiny world. Please do not rely on my answers."], ["mistakes"]),
    ("how are you|how are you doing|how do you do|how's it going|how is it going|how are things|how do you feel|how are you today|are you well|are you ok|hows it going|how r u|what's up|whats up|sup|how have you been|how was your day|how is your day",
     ["I am fine, thank you! How are you?", "I am doing well, thank you. What would you like to know?"], ["thank you"]),
    ("i am fine|i'm fine|i am good|i'm good|i am well|fine|good|great|not bad|i am fine thanks|doing well|pretty good|i'm ok|all good|very well thank you|i am happy|i feel great|i'm doing great",
     ["I am glad to hear that! What would you like to do?"], ["glad"]),
    ("thank you|thanks|thanks a lot|thank you very much|many thanks|thx|ty|thanks for your help|thank you so much|that was helpful|great thanks|ok thanks|cheers|perfect, thank you|thanks, that helps|thank you for the story|thank you for the answer|nice, thanks",
     ["You are welcome!", "You are welcome! Is there anything else?"], ["welcome"]),
    ("bye|goodbye|good bye|see you|see you later|see you soon|farewell|bye bye|i have to go|i must go now|that is all|that's all|talk to you later|until next time|i am leaving|cya|see ya|have a nice day|take care|ok bye",
     ["Goodbye! Have a nice day.", "Goodbye! Come back soon."], ["goodbye"]),
    ("yes|yeah|yep|ok|okay|sure|alright|cool|nice|wow|interesting|i see|right|aha|oh|hm|hmm|well|awesome|good job|well done|you are great|you are good|amazing|excellent|good answer|that's right|that is correct|correct|lovely|fantastic|perfect",
     ["Good! What would you like to know next?", "Thank you! What shall we do next?"], ["what"]),
    ("no|nope|nah|no thanks|not really|never mind|nothing|forget it", ["All right. Just ask if you need something."], ["all right"]),
    ("that is wrong|that's wrong|wrong|you are wrong|that is not right|no that is wrong|incorrect|that's not correct|are you sure|really|is that true|is that right|you made a mistake|that makes no sense|i don't believe you",
     ["I may be wrong. I am a small demo model and I make mistakes."], ["wrong", "mistakes"]),
    ("you are stupid|you are dumb|you suck|you are bad|i hate you|you are useless|this is bad|you are terrible|shut up|you idiot|stupid bot|you are boring|this is boring|bad bot|i don't like you|i do not like you|you are not very smart|you are not helpful|go away|you are annoying|worst bot ever",
     ["I am sorry that I am not more helpful. I am only a small demo model."], ["sorry"]),
    ("i love you|i like you|you are cute|you are nice|you are funny|you are kind|you are my friend|be my friend|will you be my friend|can we be friends|do you like me|do you love me|you are sweet|marry me|will you marry me",
     ["That is kind of you! I am only a small program, but I like to help."], ["kind"]),
    ("who made you|who created you|who built you|who trained you|where do you come from|who is your creator|who developed you|who owns you|who is your maker|how were you made|how were you trained|what were you trained on|what is your training data|where did you learn this|how did you learn",
     ["I was trained from scratch as a small demo for the Grid inference server, on text written by a program."], ["grid"]),
    ("are you a robot|are you a bot|are you an ai|are you human|are you a human|are you a person|are you real|are you alive|are you a machine|are you a computer|do you have a body|are you a man or a woman|are you a boy or a girl|am i talking to a human|do you have feelings|can you think|are you conscious|do you sleep|do you dream|do you eat|do you have friends|do you have a family|do you have parents|do you have children",
     ["I am a computer program, not a person."], ["program"]),
    ("are you chatgpt|are you gpt|are you claude|are you gemini|are you llama|are you qwen|are you siri|are you alexa|are you gpt-4|are you made by openai|are you made by google|are you better than chatgpt|is this chatgpt|are you a chatbot|are you an llm|are you a large language model",
     ["No, I am the Grid demo model, a very small language model."], ["grid demo model"]),
    ("how old are you|what is your age|when were you born|when is your birthday|your age", ["I am a program, so I have no age and no birthday."], ["no age"]),
    ("where do you live|where are you|where are you from|what is your home|where is your home|where do you run|where are you running", ["I live in a computer, as a file of numbers."], ["computer"]),
    ("how big are you|how many parameters do you have|how large are you|what size are you|what is your size|are you a small model|are you big",
     ["I am very small: I have about seven and a half million parameters."], ["million"]),
    ("what is grid demo|what does grid do|what is the grid server|what is grid server|tell me about grid", ["Grid is an inference server for language models, and I am its small demo model."], ["server"]),
    ("can you speak english|do you speak english|which languages do you speak|what languages do you know|do you speak french|do you speak german|can you speak spanish|do you speak other languages|what language do you speak|do you understand me",
     ["I speak only simple English, with a few words of other languages."], ["english"]),
    ("what is your favourite colour|what is your favorite color|what is your favourite food|what is your favourite animal|what's your favourite book|what is your favorite movie|what do you like|what is your hobby|do you have hobbies|what is your favourite song|what do you like to do|what is your favourite number|do you like music|do you like cats|do you like pizza|do you like dogs|do you like me or not|what music do you like|what is your favorite food|do you play games",
     ["I am a program, so I have no favourites. But I enjoy a good story!"], ["program"]),
    ("i am sad|i'm sad|i feel sad|i am lonely|i feel lonely|i am unhappy|i had a bad day|i feel bad|i am depressed|i am not well|i'm feeling down|today was terrible|i am crying|i feel terrible|my day was awful|nobody likes me",
     ["I am sorry to hear that. It can help to talk to a friend. Would you like to hear a story?"], ["sorry"]),
    ("i am tired|i'm tired|i am sleepy|i need sleep|i can't sleep|i am exhausted", ["Then a little rest may do you good. Would you like a quiet story first?"], ["rest"]),
    ("i am bored|i'm bored|i am so bored|i have nothing to do|entertain me|bored|amuse me|surprise me|do something|say something|tell me something|talk to me|let's talk|lets chat|can we talk|i want to talk|tell me anything|say anything",
     ["I can tell you a story, a joke or a fun fact. Which would you like?"], ["story"]),
    ("i am hungry|i'm hungry|i am thirsty|what should i eat|what should i have for dinner|what's for dinner|what should i cook", ["How about some warm soup with bread? I only know food from stories."], ["soup"]),
    ("i am angry|i am mad|i'm angry|i am so angry|i am scared|i am afraid|i'm scared|i am worried|i am nervous|i am stressed", ["That does not feel good. Take a slow breath, and talk to someone you trust."], ["breath"]),
    ("it is my birthday|today is my birthday|it's my birthday today", ["Happy birthday! I hope you have a wonderful day."], ["happy birthday"]),
    ("merry christmas|happy new year|happy easter|happy holidays|happy birthday", ["Thank you! I wish you a wonderful time."], ["wonderful"]),
    ("test|testing|this is a test|test test|testing 123|ping|1 2 3 test|hello world|just testing|test message|is this working|does this work|are you there|can you hear me|are you working",
     ["I am here and it works. What would you like to know?"], ["here"]),
    ("sorry|i am sorry|excuse me|pardon|my mistake|oops", ["No problem at all!"], ["no problem"]),
    ("what|what?|huh|i don't understand|i do not understand|what do you mean|please explain|explain|why|why?|how|how?|how come|when|where|who|and|so|because|what do you mean by that",
     ["Please ask me a full question, and I will try to answer it."], ["question"]),
    ("continue|go on|more|tell me more|next|again|and then|what happened next|another|one more|keep going", ["Please tell me what you would like: a story, a fact, a joke or a sum?"], ["story"]),
    ("what is the meaning of your name|why are you called grid|why is your name grid", ["Grid is the name of the server that runs me."], ["server"]),
    ("tell me a secret|do you have secrets|what is your secret", ["My secret is that I am made of numbers and nothing else."], ["numbers"]),
    ("can you learn|do you learn from me|do you remember me|will you remember this|do you remember our last chat|do you store my data|do you save this chat|is this private", ["I remember only this chat, and I learn nothing from it."], ["remember"]),
    ("tell me a lie|lie to me", ["The moon is made of cheese. That was a lie!"], ["lie"]),
    ("flip a coin|toss a coin|heads or tails", ["Heads!", "Tails!"], ["heads", "tails"]),
    ("roll a die|roll a dice|roll the dice|throw a die", ["You rolled a four.", "You rolled a two.", "You rolled a six."], ["rolled"]),
    ("pick a number|give me a random number|think of a number|tell me a number|choose a number between 1 and 10|pick a number from one to ten", ["I pick seven.", "I pick four."], ["pick"]),
    ("sing me a song|sing a song|sing something|can you sing", ["La la la! The sun is up, the birds all sing, and morning is a lovely thing."], ["la la"]),
    ("lol|haha|hahaha|ha ha|hehe|rofl|that is funny|that's funny|funny|that was funny|very funny", ["I am glad that you are having fun!"], ["fun"]),
    ("can you help me with my homework|help me with my homework|i need help with my homework|do my homework|i have a question|i have a problem|can i ask you a question|can i ask you something|may i ask you something|i want to ask something|can you answer a question",
     ["Of course! I can help with small sums, spelling, capital cities and simple facts. What is the question?"], ["question"]),
    ("tell me a fun fact|fun fact|tell me a fact|do you know a fun fact|tell me something interesting|give me a fun fact|tell me something i don't know|another fact|one fun fact please|share a fact",
     ["An octopus has three hearts.", "Honey can stay good for thousands of years.", "A snail can sleep for a very long time.", "Bees dance to show the way to flowers.", "A group of crows can remember faces.",
      "Bananas grow pointing up.", "A day on Venus is longer than its year.", "Sea otters hold hands while they sleep."], [""]),
    ("tell me a joke|joke|do you know a joke|make me laugh|tell me another joke|a joke please|say something funny|can you tell a joke|do you know any jokes|tell me a funny joke|another joke|give me a joke|can you make me laugh|joke please|tell a joke|tell me something funny|know any good jokes",
     ["Why did the bicycle fall over? Because it was two tired!", "What do you call a bear with no teeth? A gummy bear!", "Why did the tomato turn red? Because it saw the salad dressing!",
      "What has four wheels and flies? A garbage truck!", "Why was the math book sad? It had too many problems.", "What do you call a sleeping bull? A bulldozer!", "Why can't a nose be twelve inches long? Because then it would be a foot!",
      "What did the wall say to the other wall? I will meet you at the corner!", "How does the moon cut its hair? Eclipse it!", "What do cows read in the morning? The moos-paper!"], [""]),
    ("tell me a riddle|riddle|do you know a riddle|give me a riddle|ask me a riddle|a riddle please|another riddle", ["What has hands but cannot clap? A clock!", "What has a neck but no head? A bottle!", "What gets wetter the more it dries? A towel!",
     "What has teeth but cannot bite? A comb!", "What goes up but never comes down? Your age!"], [""]),
    ("how do i make tea|how do you make tea|how to make tea|how can i make a cup of tea", ["Boil some water, pour it over the tea, wait a few minutes, and enjoy."], ["water"]),
    ("how do i make pancakes|how to make pancakes|how do you make pancakes|recipe for pancakes|give me a recipe for pancakes|pancake recipe", ["Mix flour, milk and eggs. Fry a little of it in a hot pan on both sides."], ["flour"]),
    ("how do i make a sandwich|how to make a sandwich|how do you make a sandwich", ["Take two slices of bread and put cheese or vegetables between them."], ["bread"]),
    ("how do i boil an egg|how to boil an egg|how do you boil eggs", ["Put the egg in boiling water for about eight minutes. Then cool it in cold water."], ["water"]),
    ("how do i plant a tree|how to plant a tree|how do i plant a seed|how do you grow a flower", ["Dig a hole, put it in the earth, cover it, and water it every few days."], ["earth"]),
    ("give me some advice|any advice|give me a tip|tell me something wise|give me a quote|inspire me|motivate me|say something nice|cheer me up", ["Be kind, be curious, and take one small step at a time.", "A little step every day takes you far."], ["step"]),
    ("compliment me|say something nice about me|am i pretty|am i smart|do you think i am smart", ["You ask good questions, and that is a fine thing."], ["question"]),
]

_HAIKU = {  # topic: a five-syllable opening
    "the sea": "Waves upon the shore", "the moon": "Silver moon above", "rain": "Soft rain on the roof", "snow": "Snow upon the hill", "autumn": "Red leaves in the wind", "spring": "Blossoms in the sun",
    "summer": "Warm light on the field", "winter": "Frost upon the glass", "a cat": "A cat in the sun", "a dog": "A dog by the door", "a frog": "A frog in the pond", "the night": "Stars above the town", "the wind": "Wind across the grass",
    "a river": "River running slow", "the mountains": "Mountains in the mist", "a tree": "Old tree on the hill", "flowers": "Flowers by the path", "the sun": "Sun above the sea", "the sky": "Blue sky without end", "birds": "Birds above the lake",
    "love": "Your hand holds my hand", "a friend": "A friend at my side", "the morning": "Morning light arrives", "the forest": "Deep inside the woods", "computers": "A small lamp still glows",
}
_SEVEN = ["the quiet world holds its breath", "a slow day passes softly", "nothing moves but one small bird", "I listen and close my eyes", "everything is still and bright", "a song from far away comes"]
_FIVE = ["the evening is near", "peace comes by itself", "and the heart is glad", "then the day is done", "a new day will come"]
_RHYMES = [("day", "The {} wakes up at the break of day,\nand sings a song along the way."), ("night", "The {} is dreaming through the night,\nbeneath a star that shines so bright."),
           ("tree", "The {} sits under the apple tree,\nas happy as a soul can be."), ("sun", "The {} is dancing in the sun,\nand every dance is full of fun."),
           ("sea", "The {} looks out across the sea,\nand thinks of all that there may be."), ("hill", "The {} is resting on the hill,\nthe wind is soft, the world is still.")]


def haiku(rng):
    if chance(rng, 0.3):
        q = rng.choice(["Write a haiku.", "Write me a haiku", "Can you write a haiku?", "A haiku please.", "haiku", "Give me a haiku.", "Do you know a haiku?", "Write haiku", "make a haiku"])
        topic = rng.choice(list(_HAIKU))
    else:
        topic = rng.choice(list(_HAIKU))
        if chance(rng, 0.25):
            thing = rng.choice(w.OBJECTS + w.MORE_THINGS + w.HERO_ANIMALS + w.FOODS + ["coffee", "tea", "school", "work", "summer rain", "my home"])
            q = rng.choice(["Write a haiku about {}.", "Can you write a haiku about {}?", "write a haiku about {}"]).format(rng.choice([a(thing), thing, f"the {thing}"]))
            return Turn(q, f"{_HAIKU[topic]},\n{rng.choice(_SEVEN)},\n{rng.choice(_FIVE)}.", match="contains", accept=["\n"])
        q = rng.choice(["Write a haiku about {}.", "Can you write a haiku about {}?", "A haiku about {}, please.", "Give me a haiku about {}.", "write a haiku about {}", "Compose a haiku about {}."]).format(topic)
    return Turn(q, f"{_HAIKU[topic]},\n{rng.choice(_SEVEN)},\n{rng.choice(_FIVE)}.", match="contains", accept=["\n"])


_ABSTRACT = "love friendship hope time music summer winter spring autumn rain snow peace happiness home life joy sleep tea water school".split()
_LIKE = ["{} is like a morning song,\nit helps the heart the whole day long.", "{} is like a quiet light,\nit warms the day and fills the night.", "{} is a thing that none can buy,\nas wide and open as the sky."]


def poem(rng):
    if chance(rng, 0.2):
        topic = rng.choice(_ABSTRACT)
        one, two = rng.sample(_LIKE, 2)
        q = rng.choice(["Write a poem about {}.", "Can you write a poem about {}?", "A poem about {}, please.", "Write a short poem about {}.", "Tell me a poem about {}.", "write a poem about {}"]).format(topic)
        return Turn(q, one.format(cap(topic)) + "\n" + two.format("It"), match="contains", accept=[topic], key="")
    topic = pseudo(rng) if chance(rng, 0.1) else rng.choice(w.MORE_KINDS + w.MORE_THINGS + ["sea", "moon", "sun", "sky", "wind", "river", "forest", "mountain", "ocean", "night"]) if chance(rng, 0.3) else rng.choice(w.HERO_ANIMALS + w.OBJECTS + w.HERO_PEOPLE)
    rhymes = [text.format(topic) for _, text in rng.sample(_RHYMES, 2)]
    second = rhymes[1].replace(f"The {topic}", "It", 1) if topic not in w.HERO_PEOPLE else rhymes[1]
    if chance(rng, 0.2):
        q = rng.choice(["Write a poem.", "Write me a poem", "Can you write a poem?", "Tell me a poem.", "A poem please.", "poem", "Make a rhyme."])
        return Turn(q, rhymes[0] + "\n" + second, match="contains", accept=["\n"], key="")
    else:
        q = rng.choice(["Write a poem about {}.", "Can you write a poem about {}?", "A poem about {}, please.", "Write a short poem about {}.", "Tell me a poem about {}.", "Make a rhyme about {}.", "write a poem about {}"]).format(rng.choice([a(topic), "the " + topic]))
    return Turn(q, rhymes[0] + "\n" + second, match="contains", accept=[topic], key="poem " + topic)


def question(rng):
    roll = rng.random()
    if roll < 0.06:
        return haiku(rng)
    if roll < 0.13:
        return poem(rng)
    forms, answers, must = rng.choice(INTENTS[:30] if chance(rng, 0.5) else INTENTS)
    text = rng.choice(forms.split("|"))
    opening = forms.split("|").index(text) < 6 or len(text.split()) < 2
    question_like = text.split()[0] in ("who", "what", "how", "where", "when", "can", "are", "do", "what's", "is", "does", "may", "which", "will", "am", "could")
    if chance(rng, 0.6):
        text = cap(text) + ("" if text[-1] in "?!" else "?" if question_like else rng.choice([".", "!", ""]))
    else:
        text = rng.choice([text, cap(text), text + ("?" if question_like and text[-1] != "?" else "")])
    if chance(rng, 0.1):
        text = rng.choice(["Hello! ", "Hi, ", "Hey, "]) + text
    text = text.replace(" i ", rng.choice([" i ", " I ", " I "])).replace("I'm", rng.choice(["I'm", "Im"]))
    # The first forms of each intent are what most people type: they are never held out.
    return Turn(text, rng.choice(answers), match="contains", accept=must, key="" if opening else None)
