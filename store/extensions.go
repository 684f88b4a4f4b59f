package store

import "fmt"

// Level is the version of the attributes that this program knows. It reads keys whose attributes
// have this level or a lower one correctly. The first change that sets an attribute of a higher
// level than the store has raises the level of the store ([Tx].Raise), once no program of a lower
// level is running. After that, programs of a lower level cannot open the store. Programs from
// before levels count as level 1.
const Level = 2

// extension is an attribute that gives power and was added after the first version of the proof.
type extension struct {
	// name is unique and must not be used again, even after the extension is removed: it is part of
	// the proofs and of the column proof_names.
	name string
	// level is the lowest Level of a program that knows the extension.
	level int
	// always: every record has the attribute, including records from before the proof covered it.
	// The proof covers it when possible, and a change never fails because of it. Other extensions
	// are covered in every record that sets them.
	always bool
	// set reports whether the attribute is set in the stored form of the key (the column is not
	// NULL). All other ways to say "not set" must be converted to that form before the record is
	// sealed.
	set func(*Key) bool
	// value appends the attribute to the transcript. Different values must give different bytes.
	value func(*transcript, *Key)
}

// extensions is append-only, because a proof depends on the order.
var extensions = []extension{
	{name: "created_by", level: 2, always: true,
		set: func(*Key) bool { return true }, value: func(t *transcript, k *Key) { t.text(k.CreatedBy) }},
}

// setExtensions returns the names of the extensions that are set, in the order of the table, and
// whether the proof must cover one of them.
func setExtensions(extensions []extension, k *Key) (names []string, needed bool) {
	names = make([]string, 0, len(extensions))
	for _, x := range extensions {
		if x.set(k) {
			names = append(names, x.name)
			needed = needed || !x.always
		}
	}
	return names, needed
}

// knowsAll returns an error that matches ErrNewerRecord and ErrUnavailable when the record's proof
// covers an extension that is not in the list, else nil.
func knowsAll(extensions []extension, r *Record) error {
	if r.Evidence == nil {
		return nil
	}
names:
	for _, name := range r.Evidence.ProofNames {
		for _, x := range extensions {
			if x.name == name {
				continue names
			}
		}
		return fmt.Errorf("store: key %s has the attribute %.100q, which this program does not know. Use the newer program: %w: %w",
			r.Key.ID, name, ErrUnavailable, ErrNewerRecord)
	}
	return nil
}
