package main

import (
	"fmt"

	"github.com/BurntSushi/toml"
)

func main() {
	var kept struct{ Name string }
	if _, err := toml.Decode("name = 'toml'", &kept); err != nil {
		panic(err)
	}
	fmt.Println("go:", kept.Name)
}
