"""`hipflask check`: facts about an application and its project, held against its stage.

    declaring     what a check and a finding are
    facts         what is known of an application, as plain data
    confining     no network, no writes, no programs: what the application is loaded under
    gathering     application -> facts
    inside        the process that loads the application; `loading` starts and ends it
    project       files, git, silences: what is known without the application
    access, configuration, contracts, structure, operating, tested, staged: the checks
    catalogue     all of them by id, plug-ins too
    running       everything together -> a report; `reporting` shows it
    recorder      a pytest plug-in that records which routes the tests reach

A plug-in is an entry point of the group `hipflask.checks` that gives a list of `Check`, each id
beginning with the entry point's name in capitals.
"""

from .declaring import Check as Check
from .declaring import Finding as Finding
from .declaring import Look as Look
from .declaring import found as found
from .marks import example as example
from .marks import reads_body as reads_body
