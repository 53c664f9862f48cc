// Bucket names a bucket for a team, always the same one.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"
)

func main() {
	team := strings.Join(os.Args[1:], "-")
	if team == "" {
		team = "canopy"
	}
	fmt.Println("bucket:", uuid.NewSHA1(uuid.NameSpaceDNS, []byte(team)))
}
