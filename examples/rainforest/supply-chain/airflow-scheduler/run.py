import markupsafe._speedups, yaml; print("scheduler: PyYAML", yaml.__version__)
