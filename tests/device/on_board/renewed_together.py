"""Three renewals have come together; the agent's loop ends when all of them were checked."""

from agent_loop import Node

from nlsm import agent, console, duties, link


class Link(link.Link):
    """A link that tells when it is dropped."""

    def drop(self):
        print("drop")


def renew(link, name, *_):
    print("check", name)


def look(node):
    if not node.link.renewed:
        node.services = {}


Node.link = Link(Node)
Node.link.renewed = [(name, b"serial", b"signature") for name in "abc"]
duties.renew = renew
agent.watch = look
console.Console.take = lambda line: print("console")
agent.run(Node)
