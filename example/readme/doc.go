// Readme is the program of the README: the lines that stand there are its own, and the tests of
// this folder build it and try it.
package main
