"""Small objects that live a while, and garbage between them, on a heap that has plenty of room."""

import gc

from nlsm import memory

FREE = 80 * 1024
held = [None] * 60
full = [None] * 4000
count = 0

gc.collect()
while gc.mem_free() > FREE:
    full[count] = (count, count, count)  # the holes below are filled too
    count += 1
gc.collect()
print("plenty" if gc.mem_free() > 65536 else "little")
memory.settle()
for number in range(600):
    for other in range(35):  # small garbage, as a service makes that publishes and prints
        garbage = (number, number, other)
    held[number % 60] = (number, number, number)
try:
    bytearray(8192)
    bytearray(16384)
    print("room")
except MemoryError as error:
    print(error)
