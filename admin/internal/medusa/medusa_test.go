package medusa_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/admin/internal/medusa"
)

func TestQueriesAreReadAsByQS(t *testing.T) {
	for query, want := range map[string]string{
		"":                     `{}`,
		"&&":                   `{}`,
		"a":                    `{"a":""}`,
		"a=b":                  `{"a":"b"}`,
		"a=b=c":                `{"a":"b=c"}`,
		"=b":                   `{}`,
		"a=1&a=2&a=3":          `{"a":["1","2","3"]}`,
		"a[]=1":                `{"a":["1"]}`,
		"a[]=1&a[]=2":          `{"a":["1","2"]}`,
		"a[]=1&a=2":            `{"a":["1","2"]}`,
		"a=1&a[]=2":            `{"a":["1","2"]}`,
		"a[1]=x&a[0]=y":        `{"a":["y","x"]}`,
		"a[1]=x&a[15]=y":       `{"a":["x","y"]}`,
		"a[20]=x":              `{"a":["x"]}`,
		"a[21]=x":              `{"a":{"21":"x"}}`,
		"a[01]=x":              `{"a":{"01":"x"}}`,
		"a[-1]=x":              `{"a":{"-1":"x"}}`,
		"a[0]=x&a[b]=y":        `{"a":{"0":"x","b":"y"}}`,
		"a[b]=y&a[0]=x":        `{"a":{"0":"x","b":"y"}}`,
		"a[b]=x&a=y":           `{"a":{"b":"x","y":true}}`,
		"a=y&a[b]=x":           `{"a":["y",{"b":"x"}]}`,
		"a[b]=1&a[b]=2":        `{"a":{"b":["1","2"]}}`,
		"a[b]=1&a=":            `{"a":{"b":"1"}}`,
		"[a]=1&a=":             `{"a":"1"}`,
		"a[b]=1&a[b][]=2":      `{"a":{"b":["1","2"]}}`,
		"a[b][c]=1&a[b][d]=2":  `{"a":{"b":{"c":"1","d":"2"}}}`,
		"a[0][b]=1&a[0][c]=2":  `{"a":[{"b":"1","c":"2"}]}`,
		"a[0][b]=1&a[1][b]=2":  `{"a":[{"b":"1"},{"b":"2"}]}`,
		"a[][b]=1&a[][c]=2":    `{"a":[{"b":"1","c":"2"}]}`,
		"a[b][c][d][e][f]=x":   `{"a":{"b":{"c":{"d":{"e":{"f":"x"}}}}}}`,
		"a[b][c][d][e][f][g]=": `{"a":{"b":{"c":{"d":{"e":{"f":{"[g]":""}}}}}}}`,
		"[a]=x":                `{"a":"x"}`,
		"[0]=x":                `{"0":"x"}`,
		"[]=x":                 `{"0":"x"}`,
		"a[=x":                 `{"a[":"x"}`,
		"a]=x":                 `{"a]":"x"}`,
		"a[b=x":                `{"a[b":"x"}`,
		"a[b]c=x":              `{"a":{"b":"x"}}`,
		"a[[b]]=x":             `{"a[":{"b":"x"}}`,
		"a%5Bb%5D=x":           `{"a":{"b":"x"}}`,
		"a%5bb%5d=x":           `{"a":{"b":"x"}}`,
		"a[b=c]=d":             `{"a":{"b=c":"d"}}`,
		"a+b=c+d":              `{"a b":"c d"}`,
		"a=%2B%26%3D":          `{"a":"+&="}`,
		"a=%zz+b":              `{"a":"%zz b"}`,
		"a=%ff":                `{"a":"%ff"}`,
		"a=%E2%82%AC":          `{"a":"€"}`,
		"a.b=c":                `{"a.b":"c"}`,
		"__proto__[a]=b":       `{}`,
		"a[__proto__]=b":       `{"a":{}}`,
		"hasOwnProperty=1":     `{"hasOwnProperty":"1"}`,
		"b=1&2=x&a=1&1=y":      `{"1":"y","2":"x","b":"1","a":"1"}`,
	} {
		t.Run(query, func(t *testing.T) {
			got, err := medusa.ParseQS(query)
			if err != nil {
				t.Fatal(err)
			}
			if shown := medusa.Show(got); shown != want {
				t.Errorf("read %s, want %s", shown, want)
			}
		})
	}
}

func TestJSONKeepsItsOrder(t *testing.T) {
	for text, want := range map[string]string{
		`{"b":1,"a":[true,false,null,"x",{"z":{},"y":[]}]}`:        `{"b":1,"a":[true,false,null,"x",{"z":{},"y":[]}]}`,
		`{"a":1,"b":2,"a":3}`:                                      `{"a":3,"b":2}`,
		`{"b":1,"10":1,"9":1}`:                                     `{"9":1,"10":1,"b":1}`,
		`[1e21,1e-7,-0,0.1,123456789012345678]`:                    `[1e+21,1e-7,0,0.1,123456789012345680]`,
		`"\u2028\ud83d\ude00\ud800<>&\u001f\b\f\n\r\t\"\\/\u007f"`: "\"\u2028😀\ufffd<>&\\u001f\\b\\f\\n\\r\\t\\\"\\\\/\x7f\"",
	} {
		t.Run(text, func(t *testing.T) {
			got, err := medusa.ParseJSON([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if shown := medusa.Show(got); shown != want {
				t.Errorf("read %s, want %s", shown, want)
			}
		})
	}
}

func TestParseInt(t *testing.T) {
	for s, want := range map[string]float64{
		"1": 1, "1.9": 1, "2abc": 2, "1e3": 1, "0x3": 3, "0XfG": 15, " 2": 2, "\u00a0\ufeff\n2": 2, "-5": -5, "+5": 5,
		"-0x10": -16, "007": 7,
		"9007199254740993": 9007199254740992, strings.Repeat("9", 400): math.Inf(1), "1_000": 1,
	} {
		if got, ok := medusa.ParseInt(s); !ok || got != want {
			t.Errorf("parseInt(%q) is %v, %t; want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{"", " ", "abc", "Infinity", "NaN", "-", "+", "0x", "0xg", ".5", "--1", "\u00851"} {
		if got, ok := medusa.ParseInt(s); ok {
			t.Errorf("parseInt(%q) is %v, want NaN", s, got)
		}
	}
}

func TestNumbersAreWrittenAsByJavaScript(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "0", 1: "1", -1.5: "-1.5", 1e20: "100000000000000000000", 1e21: "1e+21",
		1.25e-7: "1.25e-7", 1e-6: "0.000001", -1e300: "-1e+300", 5e-324: "5e-324", 1 << 53: "9007199254740992",
		math.Inf(1): "Infinity", math.Inf(-1): "-Infinity",
	} {
		if got := medusa.FormatNumber(f); got != want {
			t.Errorf("%g is written %s, want %s", f, got, want)
		}
	}
	if got := medusa.FormatNumber(math.NaN()); got != "NaN" {
		t.Errorf("NaN is written %s", got)
	}
}

func TestTimestampsAreReadAsByPostgreSQL(t *testing.T) {
	now := time.Date(2026, 3, 4, 23, 30, 0, 0, time.FixedZone("", -2*3600)) // the 5th in UTC
	for s, want := range map[string]string{
		"2020-01-02":                        "2020-01-02T00:00:00Z",
		"2020-1-2":                          "2020-01-02T00:00:00Z",
		"20200102":                          "2020-01-02T00:00:00Z",
		"2020/01/02":                        "2020-01-02T00:00:00Z",
		"1/2/2020":                          "2020-01-02T00:00:00Z",
		"Jan 2 2020":                        "2020-01-02T00:00:00Z",
		"january 2, 2020":                   "2020-01-02T00:00:00Z",
		"2 JAN 2020":                        "2020-01-02T00:00:00Z",
		"2020-Jan-02":                       "2020-01-02T00:00:00Z",
		"02-Jan-2020":                       "2020-01-02T00:00:00Z",
		"2020-01-02T03:04:05.678Z":          "2020-01-02T03:04:05.678Z",
		"2020-01-02 03:04:05.678901+02":     "2020-01-02T01:04:05.678901Z",
		"2020-01-02T03:04:05+02:00":         "2020-01-02T01:04:05Z",
		"2020-01-02T03:04:05-0230":          "2020-01-02T05:34:05Z",
		"2020-01-02 03:04":                  "2020-01-02T03:04:00Z",
		"2020-01-02 03:04:05 +02:00":        "2020-01-02T01:04:05Z",
		"2020-01-02 3:04 pm":                "2020-01-02T15:04:00Z",
		"  2020-01-02   03:04:05 utc ":      "2020-01-02T03:04:05Z",
		"Thu, 02 Jan 2020 03:04:05 GMT":     "2020-01-02T03:04:05Z",
		"Thu Jan 02 2020 03:04:05 GMT+0200": "2020-01-02T01:04:05Z",
		"now":                               "2026-03-05T01:30:00Z",
		"TODAY":                             "2026-03-05T00:00:00Z",
		"tomorrow":                          "2026-03-06T00:00:00Z",
		"yesterday":                         "2026-03-04T00:00:00Z",
		"epoch":                             "1970-01-01T00:00:00Z",
		"infinity":                          "9999-12-31T23:59:59.999999Z",
		"-infinity":                         "0001-01-02T00:00:00Z",
		"0001-01-01":                        "0001-01-02T00:00:00Z",
	} {
		if got, ok := medusa.ParseTimestamp(s, now); !ok || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q is read as %s, %t; want %s", s, got.Format(time.RFC3339Nano), ok, want)
		}
	}
	for _, s := range []string{
		"", "bad", "0", "1772600767000", "2020", "10:00", "2020-13-01", "2020-02-30", "2020-01-01T25:00:00", "null",
		"2020-01-01x", "+", "a:+", strings.Repeat("2", 100), ":-", "1:+00",
	} {
		if got, ok := medusa.ParseTimestamp(s, now); ok {
			t.Errorf("%q is read as %s", s, got)
		}
	}
}

func FuzzQS(f *testing.F) {
	for _, seed := range []string{
		"a=b&a[]=c&a[d]=e", "$or[0][title]=a&$or[1][type]=secret", "created_at[$in][]=null", "a[0][1][2]=x&a[0][1]=y",
		"a[][][]=x&a[b]=y", "%5B%5D=%", "fields=+a,-b,*c,d.*",
		"revoked_at.$gt=now", "limit=0x&offset=-", "a[19]=x&a[20]=y&a[21]=z", "]=[&[=]", "order=-title&q=%00",
		"created_at=Thu Jan 02 2020 03:04:05 GMT%2B0200",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		parsed, err := medusa.ParseQS(query)
		if err == nil {
			if again, _ := medusa.ParseQS(query); medusa.Show(parsed) != medusa.Show(again) {
				t.Errorf("%q is read in two ways", query)
			}
		}
	})
}
