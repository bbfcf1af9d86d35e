//go:build !linux

package host

import "errors"

func spaceOf(string) (space, error) {
	return space{}, errors.New("only Linux is asked for its space")
}
