"""The words of the grammar: nouns and present verbs in both numbers, and words without number."""

from typing import NamedTuple


class Forms(NamedTuple):
    """A noun's or a verb's two forms; the index is the number."""

    singular: str
    plural: str


def _pairs(text: str) -> tuple[Forms, ...]:
    return tuple(Forms(*pair.split("/")) for pair in text.split())


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PEOPLE = _pairs(
    """
    author/authors teacher/teachers farmer/farmers guard/guards doctor/doctors lawyer/lawyers
    painter/painters singer/singers pilot/pilots sister/sisters brother/brothers friend/friends
    neighbor/neighbors student/students king/kings queen/queens writer/writers nurse/nurses
    child/children woman/women man/men officer/officers
    """
)
THINGS = _pairs(
    """
    key/keys cabinet/cabinets door/doors house/houses garden/gardens bridge/bridges car/cars
    picture/pictures book/books letter/letters table/tables tower/towers river/rivers ship/ships
    lamp/lamps box/boxes city/cities mountain/mountains school/schools machine/machines
    window/windows song/songs knife/knives road/roads
    """
)
COPULA = Forms("is", "are")
PERFECT = Forms("has", "have")
DO = Forms("does", "do")
LINKING = _pairs("seems/seem remains/remain looks/look appears/appear becomes/become")
INTRANSITIVE = _pairs(
    "arrives/arrive falls/fall moves/move stands/stand waits/wait vanishes/vanish"
)
TRANSITIVE = _pairs(
    "needs/need likes/like wants/want holds/hold keeps/keep helps/help changes/change"
)

PAST_TRANSITIVE = _words(
    """
    saw found liked admired followed painted sold remembered noticed described visited avoided
    watched protected lost heard
    """
)
PARTICIPLES = _words(
    """
    found admired followed painted sold remembered noticed described visited watched protected lost
    """
)
PAST_INTRANSITIVE = _words("arrived left smiled waited fell slept disappeared stopped")
PERFECT_PARTICIPLES = _words("arrived smiled waited slept disappeared stopped")
GERUNDS = _words("arriving falling moving sleeping waiting")
SAYING = _words("said thought knew believed claimed")
ADJECTIVES = _words(
    """
    old new red small large strange famous quiet modern broken happy young tall heavy dark bright
    clean rare simple green blue white
    """
)
DETERMINERS = _words("the the the the my your our their his her")  # "the" as often as in text
PREPOSITIONS = _words(
    "near behind beside of with from above under across opposite inside around beyond"
)
SUBORDINATORS = _words("when while because after although before")
COORDINATORS = _words("and but")
ADVERBS = _words("often usually never always still now rarely probably")
DEGREES = _words("very quite too rather")
FINAL_ADVERBS = _words("today again here there slowly alone")
FUNCTION_WORDS = _words("that which who by not , .")

WORDS: tuple[str, ...] = tuple(
    sorted(
        {
            *(form for forms in (*PEOPLE, *THINGS) for form in forms),
            *(form for forms in (COPULA, PERFECT, DO) for form in forms),
            *(form for forms in (*LINKING, *INTRANSITIVE, *TRANSITIVE) for form in forms),
            *PAST_TRANSITIVE,
            *PARTICIPLES,
            *PAST_INTRANSITIVE,
            *PERFECT_PARTICIPLES,
            *GERUNDS,
            *SAYING,
            *ADJECTIVES,
            *DETERMINERS,
            *PREPOSITIONS,
            *SUBORDINATORS,
            *COORDINATORS,
            *ADVERBS,
            *DEGREES,
            *FINAL_ADVERBS,
            *FUNCTION_WORDS,
        }
    )
)
