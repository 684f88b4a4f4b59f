package main

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/latchkey-go/latchkey/store"
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
		string(wide): "UTF-16",
		made.Token[:20] + "\xff" + made.Token[20:]: "UTF-8",
		made.Redacted:                                 "listed",
		"token: " + made.Token:                        "white space",
		"Bearer of " + made.Token:                     "white space",
		made.Token + " " + made.Token:                 "white space",
		made.Token[:20] + "\u200b" + made.Token[20:]:  "U+200B",
		`"` + made.Token:                              "U+0022",
		`"` + made.Token + "'":                        "U+0022",
		made.Token + ",":                              "U+002C",
		"Bearer" + made.Token:                         "sk_",
		made.Token[1:]:                                "sk_",
		made.Token[:40]:                               "checksum",
		made.Token + "x":                              "checksum",
		strings.ToUpper(made.Token[3:4]) + made.Token: "sk_",
	} {
		r := sh.type_(said, "verify").exits(exitFailed).says(store.ErrMalformed.Error(), why)
		if strings.Contains(r.stdout+r.stderr, made.Token[9:30]) {
			t.Errorf("it repeats the token:\n%s%s", r.stdout, r.stderr)
		}
	}
	for _, nothing := range []string{"", "\n", "\ufeff", "\ufeff\r\n\r\n", `""`, "' '"} {
		sh.type_(nothing, "verify").exits(exitUsage).says("token")
	}
}
