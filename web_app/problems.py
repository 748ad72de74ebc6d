"""What can be wrong with a request, as the page is told it."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .texts import problem_text


class Problem(Exception):
    """A request that is answered with an error: a status, a name, and a sentence from texts.json."""

    def __init__(self, status: int, code: str, **values: object) -> None:
        super().__init__(problem_text(code, **values))
        self.status = status
        self.code = code


async def answer_problem(request: Request, error: Exception) -> Response:
    """The answer to a request that raised a Problem."""
    if not isinstance(error, Problem):
        raise error
    # A body that was not read to its end leaves the connection unusable.
    headers = {"Connection": "close"} if request.method == "POST" else {}
    return JSONResponse({"code": error.code, "message": str(error)}, error.status, headers)
