"""Sums: plain, in words, as short word problems, comparisons, and chains over several turns.

Addition and subtraction are split by operands (a held pair never occurs in training, in either order);
the multiplication table and the division table are finite facts and are split by phrasing.
"""

from . import words as w
from .base import Turn, cap

TOO_BIG = "That is too big for me. I can add and subtract numbers up to 999 and multiply small numbers."


def _operand(rng):
    roll = rng.random()
    return rng.randrange(21) if roll < 0.15 else rng.randrange(100) if roll < 0.5 else rng.randrange(1000)


def sum_key(x, y):
    return f"{min(x, y)}+{max(x, y)}"


def _ask(rng, expression, spoken):
    """A question about a sum, written with signs or in words."""
    if rng.random() < 0.5:
        return rng.choice(["What is {}?", "{}", "{} =", "{}=?", "Calculate {}.", "How much is {}?", "Compute {}.", "What's {}?", "{} = ?", "Solve {}.",
                           "Can you calculate {}?", "Please work out {}.", "Tell me {}.", "{}?"]).format(expression)
    return cap(rng.choice(["What is {}?", "What's {}?", "How much is {}?", "Calculate {}.", "{}", "{}?", "What does {} make?", "Tell me what {} is.", "Can you tell me {}?"]).format(spoken))


def add(rng):
    x, y = _operand(rng), _operand(rng)
    tight = rng.random() < 0.3
    q = _ask(rng, f"{x}+{y}" if tight else f"{x} + {y}", f"{x} plus {y}")
    roll = rng.random()
    if roll < 0.2:
        q = rng.choice(["Add {} and {}.", "What is the sum of {} and {}?", "What do you get if you add {} and {}?", "Add {} to {}.", "Can you add {} and {}?"]).format(x, y)
    elif roll < 0.26 and x <= 20 and y <= 20:
        q = rng.choice(["What is {} plus {}?", "How much is {} plus {}?", "What is {} and {}?"]).format(w.NUMBER_WORDS[x], w.NUMBER_WORDS[y])
    return Turn(q, f"{x} + {y} = {x + y}.", str(x + y), key=sum_key(x, y))


def subtract(rng):
    x, y = _operand(rng), _operand(rng)
    if x < y and (y > 99 or rng.random() < 0.8):
        x, y = y, x
    tight = rng.random() < 0.3
    q = _ask(rng, f"{x}-{y}" if tight else f"{x} - {y}", f"{x} minus {y}")
    roll = rng.random()
    if roll < 0.2:
        q = rng.choice(["Subtract {1} from {0}.", "Take {1} away from {0}.", "What is {0} take away {1}?", "What is the difference between {0} and {1}?" if x >= y else "What is {0} take away {1}?",
                        "What is left if you take {1} from {0}?" if x >= y else "Subtract {1} from {0}."]).format(x, y)
    return Turn(q, f"{x} - {y} = {x - y}.", str(x - y), key=f"{x}-{y}")


def multiply(rng):
    x, y = (rng.randrange(13), rng.randrange(13)) if rng.random() < 0.65 else (rng.randrange(10, 100), rng.randrange(2, 11))
    if rng.random() < 0.5:
        x, y = y, x
    sign = rng.choice(["×", "*", "x", "*"])
    q = _ask(rng, rng.choice([f"{x} {sign} {y}", f"{x}{sign}{y}"]), rng.choice([f"{x} times {y}", f"{x} times {y}", f"{x} multiplied by {y}"]))
    if rng.random() < 0.15:
        q = rng.choice(["Multiply {} by {}.", "What is the product of {} and {}?", "Multiply {} and {}.", "What do you get if you multiply {} by {}?"]).format(x, y)
    return Turn(q, f"{x} × {y} = {x * y}.", str(x * y))


def divide(rng):
    y = rng.randrange(2, 11)
    if rng.random() < 0.75:
        x = y * rng.randrange(1, 13)
    else:
        x = rng.randrange(1, 100)
    sign = rng.choice(["/", "÷", "/", ":"])
    q = _ask(rng, rng.choice([f"{x} {sign} {y}", f"{x}{sign}{y}"]), f"{x} divided by {y}")
    if rng.random() < 0.15:
        q = rng.choice(["Divide {} by {}.", "How many times does {1} go into {0}?", "Share {} among {}."]).format(x, y)
    rest = x % y
    answer = f"{x} ÷ {y} = {x // y}" + (f", with {rest} left over." if rest else ".")
    return Turn(q, answer, f"{x // y}, {rest} left over" if rest else str(x // y))


def double(rng):
    x = _operand(rng)
    roll = rng.randrange(3)
    if roll == 0:
        q = rng.choice(["What is twice {}?", "Double {}.", "What is double {}?", "How much is two times {}?", "What is {} doubled?"]).format(x)
        return Turn(q, f"{x} + {x} = {2 * x}.", str(2 * x), key=f"{x}+{x}")
    if roll == 1:
        q = rng.choice(["What is half of {}?", "Halve {}.", "How much is half of {}?", "What is one half of {}?"]).format(2 * x)
        return Turn(q, f"Half of {2 * x} is {x}.", str(x), key=f"{x}+{x}")
    x = rng.randrange(13)
    q = rng.choice(["What is {} squared?", "What is the square of {}?", "How much is {} squared?"]).format(x)
    return Turn(q, f"{x} × {x} = {x * x}.", str(x * x))


def compare(rng):
    x, y = _operand(rng), _operand(rng)
    if x == y:
        y += 1
    roll = rng.randrange(4)
    if roll == 0:
        q = rng.choice(["Which is bigger, {} or {}?", "Which number is larger, {} or {}?", "What is more, {} or {}?", "Which is greater: {} or {}?"]).format(x, y)
        return Turn(q, f"{max(x, y)} is bigger than {min(x, y)}.", str(max(x, y)))
    if roll == 1:
        q = rng.choice(["Which is smaller, {} or {}?", "Which number is smaller, {} or {}?", "What is less, {} or {}?"]).format(x, y)
        return Turn(q, f"{min(x, y)} is smaller than {max(x, y)}.", str(min(x, y)))
    if roll == 2:
        parity = rng.choice(["even", "odd"])
        q = rng.choice(["Is {} an {} number?", "Is {} {}?", "Is the number {} {}?"]).format(x, parity)
        actual = "odd" if x % 2 else "even"
        return Turn(q, f"{'Yes' if parity == actual else 'No'}, {x} is {actual}.", "Yes" if parity == actual else "No")
    x = min(x, 998)
    step, forms = rng.choice([(1, ["What number comes after {}?", "Which number follows {}?", "What is the next number after {}?", "What comes after {}?"]),
                              (-1, ["What number comes before {}?", "Which number is right before {}?", "What comes before {}?"])])
    x = max(x, 1)
    return Turn(rng.choice(forms).format(x), f"{x + step} comes {'after' if step > 0 else 'before'} {x}.", str(x + step))


_THINGS = "apples pears eggs books coins shells stones stamps pencils cookies candles flowers cards beads nuts plums marbles buttons ribbons cherries".split()


def word_problem(rng):
    names = w.GIRLS + w.BOYS
    name, other = rng.sample(names, 2)
    she = "She" if name in w.GIRLS else "He"
    thing = rng.choice(_THINGS)
    roll = rng.randrange(6)
    top = rng.choice([10, 20, 50, 100])
    x, y = rng.randrange(2, top), rng.randrange(2, top)
    if roll < 2:
        get = rng.choice([f"{she} buys {y} more.", f"{she} finds {y} more.", f"{other} gives {'her' if she == 'She' else 'him'} {y} more.", f"Then {she.lower()} gets {y} more."])
        q = f"{name} has {x} {thing}. {get} How many {thing} does {name} have now?"
        return Turn(q, f"{name} has {x + y} {thing} now, because {x} + {y} = {x + y}.", str(x + y), key=sum_key(x, y))
    if roll < 4:
        x, y = max(x, y) + 1, min(x, y)
        lose = rng.choice([f"{she} gives {y} to {other}.", f"{she} loses {y}.", f"{she} sells {y}.", f"{she} puts {y} away."])
        q = f"{name} has {x} {thing}. {lose} How many {thing} does {name} have {rng.choice(['now', 'left'])}?"
        return Turn(q, f"{name} has {x - y} {thing} left, because {x} - {y} = {x - y}.", str(x - y), key=f"{x}-{y}")
    if roll == 4:
        q = f"{name} has {x} {thing} and {other} has {y} {thing}. How many {thing} do they have {rng.choice(['together', 'in total', 'altogether'])}?"
        return Turn(q, f"Together they have {x + y} {thing}, because {x} + {y} = {x + y}.", str(x + y), key=sum_key(x, y))
    if rng.random() < 0.4:
        x, y = max(x, y) + 1, min(x, y)
        if rng.random() < 0.4:
            q = rng.choice([f"If I have {x} {thing} and I get {y} more, how many do I have?", f"I have {x} {thing}. I buy {y} more. How many {thing} do I have now?", f"If you have {x} {thing} and get {y} more, how many do you have?"])
            return Turn(q, f"That makes {x + y} {thing}, because {x} + {y} = {x + y}.", str(x + y), key=sum_key(x, y))
        how = str(y) if y > 20 or rng.random() < 0.6 else w.NUMBER_WORDS[y]
        q = rng.choice([f"If I have {x} {thing} and lose {how}, how many are left?", f"I have {x} {thing}. I give away {how}. How many {thing} do I have left?", f"If I have {x} {thing} and eat {how}, how many are left?",
                        f"If you have {x} {thing} and give away {how}, how many do you have?", f"There are {x} {thing}. {cap(how)} of them are taken away. How many are left?"])
        return Turn(q, f"That leaves {x - y} {thing}, because {x} - {y} = {x - y}.", str(x - y), key=f"{x}-{y}")
    x, y = rng.randrange(2, 13), rng.randrange(2, 13)
    box = rng.choice(["boxes", "bags", "baskets", "jars"])
    q = f"There are {x} {box} with {y} {thing} in each. How many {thing} are there{rng.choice(['', ' in total', ' altogether'])}?"
    return Turn(q, f"There are {x * y} {thing}, because {x} × {y} = {x * y}.", str(x * y))


def too_big(rng):
    x, y = rng.randrange(1000, 10 ** rng.randrange(4, 10)), rng.randrange(10 ** rng.randrange(1, 9) + 1)
    if rng.random() < 0.5:
        x, y = y, x
    sign, spoken = rng.choice([("+", "plus"), ("-", "minus"), ("*", "times"), ("×", "times"), ("/", "divided by")])
    if rng.random() < 0.5:
        # Multiplication reaches 12 by 12, and any two-digit number by at most 10.
        top = rng.choice([100, 100, 1000])
        x, y = rng.randrange(13, top), rng.randrange(11, top)
        if rng.random() < 0.5:
            x, y = y, x
        sign, spoken = rng.choice([("*", "times"), ("×", "multiplied by"), ("x", "times")])
    q = _ask(rng, rng.choice([f"{x} {sign} {y}", f"{x}{sign}{y}"]), f"{x} {spoken} {y}")
    return Turn(q, TOO_BIG, match="contains", accept=["too big for me"])


_MAKERS = [(add, 30), (subtract, 26), (multiply, 18), (divide, 10), (double, 8), (compare, 10), (word_problem, 20), (too_big, 7)]


def question(rng):
    return rng.choices([m for m, _ in _MAKERS], [weight for _, weight in _MAKERS])[0](rng)


def chain(rng):
    """A sum, then follow-ups that start from the last result."""
    first = rng.choice([add, subtract, add, multiply])(rng)
    try:
        value = int(first.short)
    except ValueError:
        return [first]
    turns = [first]
    for _ in range(rng.randrange(1, 4)):
        if not 0 <= value <= 999:
            break
        y = rng.randrange(1, 100) if rng.random() < 0.7 else rng.randrange(1, 10)
        roll = rng.randrange(4)
        if roll == 0:
            q = rng.choice(["And twice that?", "And double that?", "Double it.", "Now double that.", "What is twice that?", "and twice that"])
            turns.append(Turn(q, f"{value} + {value} = {2 * value}.", str(2 * value), key=f"{value}+{value}"))
            value *= 2
        elif roll == 1 and value > y:
            q = rng.choice(["Now subtract {}.", "Take away {}.", "And minus {}?", "Subtract {} from that.", "Now take {} away from it.", "minus {}"]).format(y)
            turns.append(Turn(q, f"{value} - {y} = {value - y}.", str(value - y), key=f"{value}-{y}"))
            value -= y
        elif roll == 2 and value <= 12:
            y = rng.randrange(2, 13)
            q = rng.choice(["Multiply that by {}.", "Now times {}.", "And times {}?"]).format(y)
            turns.append(Turn(q, f"{value} × {y} = {value * y}.", str(value * y), key=f"chain {value}*{y}"))
            value *= y
        else:
            q = rng.choice(["Now add {}.", "And plus {}?", "Add {} to that.", "Add {} more.", "And if you add {}?", "plus {}"]).format(y)
            turns.append(Turn(q, f"{value} + {y} = {value + y}.", str(value + y), key=sum_key(value, y)))
            value += y
    return turns
