from lxml import etree; print("runner: lxml", etree.__version__)
