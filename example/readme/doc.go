// Readme is the program in the README: its text stands there word for word, and the tests of this folder see to it that it does,
// and that it works.
package main
