"""What a service is given, `ctx`, and values of its own classes that it may give back."""

from nlsm import bus, context, service


class Text(str):
    """A text that claims to be a topic that is granted."""

    def split(self, *rest):
        return ["ok"]


class Number(int):
    """A number that claims to be a pin that is granted."""

    def __str__(self):
        return "4"


def attempt(*acts):
    """Print whether each of these was done."""
    for act in acts:
        try:
            act()
        except TypeError:
            print("TypeError")
        else:
            print("done")


one = service.Service("thermo")
one.grants = ("bus.publish:ok", "pin:4")
context.serve(None, bus.Bus())
ctx = context.Context(one)
