package main

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestVerifyTakesATokenAsPeoplePasteIt(t *testing.T) {
	t.Parallel()
	sh := onSQLite(t)
	made := sh.secret("one")
	wide := make([]byte, 0, 200)
	for _, unit := range utf16.Encode([]rune("\ufeff" + made.Token + "\r\n")) {
		wide = binary.LittleEndian.AppendUint16(wide, unit)
	}
	for _, around := range [][2]string{
		{"", ""}, {"", "\n"}, {"", "\r\n"}, {" \t", " \t\n"}, {"\u00a0", "\u00a0"}, {"\n\r\n \n", "\n\n"}, {"", "\nand more\n"},
		{"\ufeff", ""}, {"\ufeff", "\r\n"}, {"\ufeff\n", "\n"}, {" \ufeff ", "\n"}, {"\u200b", "\u200b"}, {"\u200e", "\u2060\n"},
		{`"`, `"`}, {"'", "'\n"}, {"`", "`"}, {"“", "”"}, {"‘", "’"}, {"«", "»"}, {`" `, ` "`},
		{"Bearer ", ""}, {"bearer ", "\n"}, {"BEARER   ", "\n"}, {`"Bearer `, `"`}, {`Bearer "`, `"`}, {"\ufeff 'Bearer ", "' \r\n"},
	} {
		sh.type_(around[0]+made.Token+around[1], "verify").exits(exitOK)
	}
	for said, why := range map[string]string{
		string(wide): "not UTF-8 text, but UTF-16 perhaps",
		made.Token[:20] + "\xff" + made.Token[20:]: "it is not UTF-8 text",
		made.Redacted:                                 "the form in which tokens are listed",
		"token: " + made.Token:                        "there is white space in it",
		"Bearer of " + made.Token:                     "there is white space in it",
		made.Token + " " + made.Token:                 "there is white space in it",
		made.Token[:20] + "\u200b" + made.Token[20:]:  "no token has the character U+200B",
		`"` + made.Token:                              "no token has the character U+0022",
		`"` + made.Token + "'":                        "no token has the character U+0022",
		made.Token + ",":                              "no token has the character U+002C",
		"Bearer" + made.Token:                         "does not begin with sk_ or pk_",
		made.Token[1:]:                                "does not begin with sk_ or pk_",
		made.Token[:40]:                               "its length or its checksum is wrong",
		made.Token + "x":                              "its length or its checksum is wrong",
		strings.ToUpper(made.Token[3:4]) + made.Token: "does not begin with sk_ or pk_",
	} {
		r := sh.type_(said, "verify").exits(exitFailed).says("the token is not accepted: malformed token: ", why)
		if strings.Contains(r.stdout+r.stderr, made.Token[9:30]) {
			t.Errorf("it repeats the token:\n%s%s", r.stdout, r.stderr)
		}
	}
	for _, nothing := range []string{"", "\n", "\ufeff", "\ufeff\r\n\r\n", `""`, "' '"} {
		sh.type_(nothing, "verify").exits(exitUsage).says("there is no token")
	}
}
