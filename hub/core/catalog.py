"""The projects the hub knows, by id and by where they come from."""

from hub.core import ids
from hub.core.errors import Conflict, NotFound
from hub.core.ports import Project

ALL = "all"
"""The id of the reserved project that stands for every other."""


class Catalog:
    def __init__(self) -> None:
        self._projects: dict[str, Project] = {}

    def __len__(self) -> int:
        return len(self._projects)

    def all(self) -> list[Project]:
        """Oldest first."""
        return list(self._projects.values())

    def get(self, project: str) -> Project:
        """Raises NotFound."""
        found = self._projects.get(project)
        if found is None:
            raise NotFound(f"There is no project {project!r}.")
        return found

    def find(self, *, id_: str | None = None, url: str | None, path: str | None) -> Project | None:
        """The project of this id, URL or folder, whichever is given."""
        if id_ is not None:
            return self._projects.get(id_)
        for project in self._projects.values():
            if (url is not None and project.url == url) or (path is not None and project.path == path):
                return project
        return None

    def add(self, project: Project) -> None:
        self._projects[project.id] = project

    def remove(self, project: str) -> None:
        self._projects.pop(project, None)

    def free_id(self, wanted: str | None, name: str) -> str:
        """`wanted` if nobody has it, else a slug of `name` that nobody has. Raises Conflict for a taken wish."""
        if wanted is not None:
            if wanted in self._projects:
                raise Conflict(f"There is another project with the id {wanted!r}.", code="id_taken")
            return wanted
        base = ids.slug(name)
        candidates = (base if n == 1 else f"{base[:58]}-{n}" for n in range(1, len(self._projects) + 3))
        return next(one for one in candidates if one not in self._projects and one != ALL)
