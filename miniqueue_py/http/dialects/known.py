"""Which dialects there are: the one list of them."""

from miniqueue_py.http.dialects.coramq.dialect import Coramq
from miniqueue_py.http.dialects.dialect import Dialect
from miniqueue_py.http.dialects.tasks.dialect import Tasks
from miniqueue_py.http.dialects.zapq.dialect import Zapq
from miniqueue_py.http.dialects.zoldyq.dialect import Zoldyq

DIALECTS: tuple[type[Dialect], ...] = (Zapq, Coramq, Zoldyq, Tasks)

NAMES = tuple(each.name for each in DIALECTS)
