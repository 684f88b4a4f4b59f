package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// class is a sort of request.
type class int

const (
	warm class = iota
	cold
	unknown
	bad

	classes // how many there are
)

func (k class) String() string { return [classes]string{"warm", "cold", "unknown", "bad"}[k] }

// mix are the shares of the classes, in percent.
type mix [classes]int

func (m mix) String() string {
	var parts []string
	for k, share := range m {
		parts = append(parts, fmt.Sprintf("%s %d %%", class(k), share))
	}
	return strings.Join(parts, ", ")
}

// pick draws a class.
func (m mix) pick() class {
	n := rand.IntN(100)
	for k, share := range m {
		if n -= share; n < 0 {
			return class(k)
		}
	}
	return classes - 1
}
