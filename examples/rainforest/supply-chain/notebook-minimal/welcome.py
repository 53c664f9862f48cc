print("a notebook begins here")
