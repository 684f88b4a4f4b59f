package store

import "slices"

// Limited returns how many keys the Limiter remembers.
func (l *Limiter) Limited() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.free)
}

// Trial is an extension that a later program could have.
type Trial struct {
	Name  string
	Level int
	Set   func(*Key) bool
	Value func(*Key) []string
}

func (x Trial) after(known []extension) []extension {
	return append(slices.Clip(known), extension{name: x.Name, level: x.Level, set: x.Set, value: func(t *transcript, k *Key) { t.list(x.Value(k)) }})
}

// With returns the Sealer of a program that also knows x.
func (s *Sealer) With(x Trial) *Sealer {
	return &Sealer{peppers: s.peppers, extensions: x.after(s.extensions)}
}

// With returns the Options of a program that also knows x. A Sealer must be given it too.
func (o Options) With(x Trial) Options {
	o.extensions = x.after(extensions)
	return o
}

// Attributes returns the table of attributes.
func Attributes() []Attribute {
	var all []Attribute
	for _, a := range attributes {
		all = append(all, Attribute{a.name, a.power, a.take, a.patch, a.copy, a.same})
	}
	return all
}

// Attribute is a line of the table, as tests see it.
type Attribute struct {
	Name  string
	Power bool
	Take  func(*Key, *NewKey)
	Patch func(*Key, *Patch) bool
	Copy  func(to, from *Key)
	Same  func(a, b *Key) bool
}

// FilterTexts returns the lists of f that filterTexts holds.
func FilterTexts(f *Filter) (lists []*[]string) {
	for i := range filterTexts {
		lists = append(lists, filterTexts[i].list(f))
	}
	return lists
}

var (
	TimeBefore  = Time.before
	TimeAfter   = Time.after
	TimeCompare = Time.compare
)

const MaxCreate = maxCreate
