"""The little English that names of messages need: which word is a past tense, which one an imperative.

Tables of common verbs, no dictionary: a rare irregular verb passes unnoticed or has to be reworded.
"""

from __future__ import annotations

import re

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z]+|[A-Z]+|[a-z]+")


def _table(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Past tense or past participle, and never an imperative of the same spelling.
_IRREGULAR_PAST = _table(
    """
    arisen arose ate awoke awoken became began begun bent bitten blew blown bore born borne bought bound bred
    broke broken brought built burnt came caught chose chosen clung crept dealt did done drank drawn drew driven
    drove drunk dug eaten fallen fed fell felt fled flew flown flung forbade forbidden forgave forgiven forgot
    forgotten fought found froze frozen gave given gone got gotten grew grown had heard held hidden hung kept
    knelt knew known laid lain leapt learnt led left lent lit lost made meant met mistaken mistook mown
    overdrawn overdrew paid proven ran rang ridden risen rode rose rung said sang sank sat saw sawn seen sent
    sewn shaken shone shook shot shown shrank shrunk slain slept slid smelt sold sought sown spelt spent spilt
    spoilt spoke spoken sprang sprung spun stole stolen stood stricken struck stuck stung sung sunk swam swept
    swore sworn swum swung taken taught thought threw thrown told took tore torn understood upheld went wept
    withdrawn withdrew withheld withstood woke woken won wore worn wound wove woven written wrote wrung
    """
)
# Past tense and imperative are spelled alike: only the place in the name tells.
_UNCHANGED = _table(
    """
    beat become bet bid broadcast burst cast come cost cut fit forecast ground hit hurt input let offset output
    overcome overrun preset proofread put quit read recast rerun reset rid run set shed shut slit split spread
    thrust undercut upset wed
    """
)
_PREFIXES = ("fore", "mis", "out", "over", "pre", "re", "un", "under", "up", "with")
_NOT_PAST = _table("present relent repent overt relay outlet")
# Words in -ed that are no past tense.
_ED = _table(
    """
    bed bleed breed creed deed embed exceed feed greed heed hundred kindred need proceed red reed sacred seed
    shed shred sled speed succeed wed weed
    """
)
_ING = _table("bring cling fling ping ring sing sling spring sting string swing wing wring king thing")
_PARTICLES = _table(
    "about again ahead apart around aside away back by down forward in into off on out over through to up"
)

# Nouns that are no verbs, as first words of what was meant to be a command.
_NOUNS = _table(
    """
    account amount article basket cart category client company country currency customer data date day employee
    entity event history identity info information inventory item month number page payment person product
    profile quantity receipt row salary sale session status supplier table tenant topic user vendor wallet
    warehouse week year
    """
)
_NOUN_ENDINGS = ("ment", "ness", "tion", "sion", "ity", "ship")
_VERBS_LIKE_NOUNS = _table(
    """
    apportion auction augment caution cement champion comment commission complement compliment condition
    decrement document experiment ferment fragment function harness implement increment instrument lament
    mention motion partition petition pity portion position provision question ration requisition sanction
    section segment ship station supplement torment transition transship vision witness worship
    """
)
# Nouns that are verbs too: "order placed" is an event, "order paper" may be a command.
_BOTH = _table(
    """
    alert balance bill book charge claim contract credit debit deposit discount document email file invoice issue job
    limit loan mail message offer order permit price quote record refund report request return review shipment stock
    task ticket transfer
    """
)
_VERBS_IN_S = _table("bias bus canvas focus")

# What changes something, and is hardly ever a noun: a query does not begin with one.
_CHANGES = _table(
    """
    accept activate add adjust allocate append apply approve assign attach build buy cancel confirm create
    deactivate decrease delete deliver detach disable drop edit enable erase grant increase insert invite make
    merge modify pay place publish put reject remove rename replace reset revoke save sell send ship submit
    subscribe unblock unlock unsubscribe update withdraw write
    """
)


def words(name: str) -> list[str]:
    """The words of a CapWords name, in lower case: ``OrderSKUSet`` is order, sku, set."""
    return [word.lower() for word in _WORDS.findall(name)]


def is_past(word: str) -> bool:
    """Whether a word is a past tense or past participle, and not also the imperative."""
    if word in _NOT_PAST:
        return False
    if word.endswith("ed") and len(word) > 3:
        return not any(word == verb or (word.endswith(verb) and word[: -len(verb)] in _PREFIXES) for verb in _ED)
    stems = [word.removeprefix(prefix) for prefix in ("", *_PREFIXES)]
    return any(stem in _IRREGULAR_PAST for stem in stems if len(stem) > 2)


def may_be_past(word: str) -> bool:
    """Whether a word is a past tense, or could be one where the imperative is spelled the same, like ``put``."""
    return is_past(word) or word in _UNCHANGED


def is_progressive(word: str) -> bool:
    """Whether a word ends in -ing without being a verb that does so anyway, like ``bring``."""
    return word.endswith("ing") and len(word) > 3 and word not in _ING


def is_noun(word: str) -> bool:
    """Whether a word is a noun that is no verb: one of a table, an ending like -ment, or a plural."""
    if word in _VERBS_LIKE_NOUNS or word in _VERBS_IN_S:
        return False
    plural = word.endswith("s") and not word.endswith("ss") and len(word) > 3
    return word in _NOUNS or plural or (len(word) > 5 and word.endswith(_NOUN_ENDINGS))


def is_noun_and_verb(word: str) -> bool:
    """Whether a word is as often a thing as a verb, like ``order``."""
    return word in _BOTH


def is_change(word: str) -> bool:
    """Whether a word is the imperative of a change, like ``create``, and hardly ever a noun."""
    return word in _CHANGES


def is_particle(word: str) -> bool:
    """Whether a word belongs to the verb before it, as in ``checked out``."""
    return word in _PARTICLES
