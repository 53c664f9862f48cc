module example.org/gotool

go 1.19

require github.com/BurntSushi/toml v1.2.0
