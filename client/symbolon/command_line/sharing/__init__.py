"""The lines of one input, shared by several processes: a crew.

The processes are the crew's members. The first is the program itself, which starts the others and
hears from them. Each reads the whole input and answers every n-th block of its lines. The output
has the order of the input: a member writes a block in its turn, then passes the turn on to the next
member, through a pipe. A member ends when the turn cannot come any more, or the first has ended.
"""
