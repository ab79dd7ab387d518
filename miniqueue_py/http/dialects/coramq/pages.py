"""What is asked of CoraMQ once in a while: to make a queue."""

from http import HTTPStatus

from quart import Blueprint, Response, request

from miniqueue_py.broker.policy import DEFAULT_POLICY
from miniqueue_py.errors import ShuttingDown
from miniqueue_py.http.access.pages import caller
from miniqueue_py.http.access.rights import PUBLISH
from miniqueue_py.http.dialects.coramq.items import read_object, text_in
from miniqueue_py.http.dialects.coramq.requests import CoramqQueues, explain_coramq
from miniqueue_py.http.json_bodies import answer, read_body
from miniqueue_py.http.problems import as_response
from miniqueue_py.topic_names import check_topic_name


def coramq_pages(queues: CoramqQueues) -> Blueprint:
    """Return CoraMQ's one page."""
    pages = Blueprint("coramq", __name__)
    coming: set[str] = set()
    """Queues that are being made."""

    @pages.post("/queues")
    async def create() -> Response:
        topic = check_topic_name(text_in(read_object(await read_body(request)), "queueName"))
        caller().require(PUBLISH, topic)  # as whoever publishes makes a topic
        if queues.broker.is_draining:
            raise ShuttingDown
        await queues.administration.refresh(topic)
        if topic in coming or queues.administration.knows(topic):
            text = "Queue with the given name already exists"
            return as_response(*explain_coramq(400, text, queueName=topic))
        coming.add(topic)
        try:
            await queues.administration.set_policy(topic, DEFAULT_POLICY)
        finally:
            coming.discard(topic)
        made = {"status": "success", "message": "Queue created successfully", "queueName": topic}
        return answer(made, HTTPStatus.CREATED)

    return pages
