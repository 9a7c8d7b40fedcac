"""`/v1/batches`: files of calls that run in the background, at a price of their own.

input file -> validate -> hold the worst case -> call line by line -> output and error file
"""
