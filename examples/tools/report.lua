#!/usr/local/bin/lua
-- Says what runs it: the whole point of the image is that this interpreter was compiled here.
print(("report: %s, %d words"):format(_VERSION, select("#", ...)))
