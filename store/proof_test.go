package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-go/latchkey/store"
	"github.com/latchkey-go/latchkey/store/dburl"
	"github.com/latchkey-go/latchkey/store/storetest/servers"
)

// trial is an attribute that gives power and that a later program could have. It is metadata, which
// has a column that can be NULL, is in lookups, and is not proved.
var trial = store.Trial{
	Name: "trial", Level: 2,
	Set: func(k *store.Key) bool { return k.Metadata != nil },
	Value: func(k *store.Key) []string {
		values := []string{}
		for _, name := range slices.Sorted(maps.Keys(k.Metadata)) {
			values = append(values, name, k.Metadata[name])
		}
		return values
	},
}

// What stands in ProofNames is what is covered, and it is exactly what the record sets.
func TestRequirement33TheProofNamesWhatItCovers(t *testing.T) {
	old := sealer(t, pepper1)
	s := old.With(trial)
	record := func(id string, metadata map[string]string, names []string) *store.Record {
		r := &store.Record{Key: store.Key{ID: id, Type: store.Secret, LookupID: store.LookupID{1}, CreatedBy: "user_1", Metadata: metadata}}
		r.SetEvidence(store.Evidence{ProofNames: names})
		s.Seal(r)
		return r.Clone()
	}
	power, other := map[string]string{"may": "a"}, map[string]string{"may": "b"}
	first := record("apk_1", nil, nil)              // as before there were extensions
	second := record("apk_1", nil, []string{})      // created_by is covered
	third := record("apk_1", power, nil)            // and so is what has to be
	fourth := record("apk_1", other, []string{})    // another value
	neighbour := record("apk_2", power, []string{}) // another key
	for _, sealed := range []struct {
		r     *store.Record
		names []string
	}{
		{first, nil}, {second, []string{"created_by"}}, {third, []string{"created_by", "trial"}}, {fourth, []string{"created_by", "trial"}},
	} {
		if got := sealed.r.Evidence.ProofNames; !reflect.DeepEqual(got, sealed.names) {
			t.Errorf("covered %q, want %q", got, sealed.names)
		}
		if err := s.Verify(sealed.r.Clone()); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(old.Verify(first.Clone()), old.Verify(second.Clone())); err != nil {
		t.Errorf("a program that does not know the attribute, of a key without it: %v", err)
	}
	names := func(list ...string) func(*store.Record) {
		return func(r *store.Record) { r.Evidence.ProofNames = list }
	}
	take := func(from *store.Record, what ...string) func(*store.Record) {
		return func(r *store.Record) {
			for _, w := range what {
				switch w {
				case "names":
					r.Evidence.ProofNames = slices.Clone(from.Evidence.ProofNames)
				case "value":
					r.Key.Metadata = maps.Clone(from.Key.Metadata)
				case "proof":
					r.Evidence.Proof, r.Evidence.PepperID = slices.Clone(from.Evidence.Proof), from.Evidence.PepperID
				}
			}
		}
	}
	for _, test := range []struct {
		name  string
		of    *store.Record
		alter func(*store.Record)
		want  error
	}{
		{"nothing", third, func(*store.Record) {}, nil},
		{"the names stripped", third, names(), store.ErrForged},
		{"an empty list of names", third, names([]string{}...), store.ErrForged},
		{"a name stripped", third, names("created_by"), store.ErrForged},
		{"the other name stripped", third, names("trial"), store.ErrForged},
		{"the value stripped", third, take(first, "value"), store.ErrForged},
		{"name and value stripped", third, take(second, "names", "value"), store.ErrForged},
		{"all stripped", third, take(first, "names", "value"), store.ErrForged},
		{"the value emptied", third, func(r *store.Record) { r.Key.Metadata = map[string]string{} }, store.ErrForged},
		{"the value changed", third, take(fourth, "value"), store.ErrForged},
		{"a name twice", third, names("created_by", "trial", "trial"), store.ErrForged},
		{"the order changed", third, names("trial", "created_by"), store.ErrForged},
		{"the creator changed", third, func(r *store.Record) { r.Key.CreatedBy = "user_2" }, store.ErrForged},
		{"the proof of another value", third, take(fourth, "proof"), store.ErrForged},
		{"the proof of another key", third, take(neighbour, "names", "value", "proof"), store.ErrForged},
		{"value and proof of an earlier version, which is that version", third, take(fourth, "names", "value", "proof"), nil},
		{"the value added", second, take(third, "value"), store.ErrForged},
		{"an empty value added", second, func(r *store.Record) { r.Key.Metadata = map[string]string{} }, store.ErrForged},
		{"name and value added", second, take(third, "names", "value"), store.ErrForged},
		{"the name added", second, take(third, "names"), store.ErrForged},
		{"created_by stripped", second, names(), store.ErrForged},
		{"the creator changed where it is covered", second, func(r *store.Record) { r.Key.CreatedBy = "" }, store.ErrForged},
		{"created_by added", first, names("created_by"), store.ErrForged},
		{"an empty list added", first, names([]string{}...), store.ErrForged},
		{"value added to a proof of level 1", first, take(third, "value"), store.ErrForged},
		{"all added to a proof of level 1", first, take(third, "names", "value"), store.ErrForged},
		{"the creator changed where it is not covered", first, func(r *store.Record) { r.Key.CreatedBy = "user_2" }, nil},
		{"an unknown name", third, names("created_by", "trial", "later"), store.ErrNewerRecord},
		{"an unknown name in front", first, names("later", "created_by"), store.ErrNewerRecord},
		{"an unknown name, and another proof", second, func(r *store.Record) { r.Evidence.ProofNames[0], r.Evidence.Proof[0] = "later", r.Evidence.Proof[0]+1 }, store.ErrNewerRecord},
		{"an unknown name without a proof", first, func(r *store.Record) { r.Evidence = &store.Evidence{ProofNames: []string{"later"}} }, store.ErrNewerRecord},
	} {
		r := test.of.Clone()
		if slices.Contains([]string{"an empty list of names", "an empty list added"}, test.name) {
			r.Evidence.ProofNames = []string{}
		} else {
			test.alter(r)
		}
		err := s.Verify(r)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
		if newer := test.want == store.ErrNewerRecord; newer && (!errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnauthenticated)) ||
			!newer && errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	t.Run("a program that does not know the attribute has no answer", func(t *testing.T) {
		var none *store.Sealer
		for name, s := range map[string]*store.Sealer{"with peppers": old, "without": none} {
			kept := &store.Record{}
			for _, err := range []error{s.Verify(third.Clone()), s.VerifyInto(kept, third.Clone())} {
				if !errors.Is(err, store.ErrNewerRecord) || !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrForged) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
	t.Run("without peppers no name stays", func(t *testing.T) {
		var none *store.Sealer
		r := third.Clone()
		if none.Seal(r); r.Evidence != nil {
			t.Errorf("%+v", r.Evidence)
		}
	})
}

// deployment is a database, and programs at it.
type deployment struct {
	*testing.T
	db    *sql.DB
	rows  dburl.Store
	again func() dburl.Store // opened once more
	log   bytes.Buffer
}

// eachDatabase runs fn for SQLite and PostgreSQL.
func eachDatabase(t *testing.T, fn func(*deployment)) {
	for _, name := range []string{"SQLite", "PostgreSQL"} {
		t.Run(name, func(t *testing.T) {
			url := "sqlite:" + filepath.Join(t.TempDir(), "keys.db")
			if name == "PostgreSQL" {
				url = servers.Postgres(t).Database(t)
			}
			parsed, err := dburl.Parse(url)
			if err != nil {
				t.Fatal(err)
			}
			d := &deployment{T: t}
			if d.db, err = parsed.Connect(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.db.Close() })
			d.again = func() dburl.Store {
				t.Helper()
				rows, err := parsed.Open(d.db, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = rows.Close(context.Background()) })
				return rows
			}
			d.rows = d.again()
			fn(d)
		})
	}
}

// program returns the verbs of a program that does not join by itself.
func (d *deployment) program(o store.Options, with ...store.Trial) *store.Keys {
	d.Helper()
	for _, x := range with {
		if o = o.With(x); o.Sealer != nil {
			o.Sealer = o.Sealer.With(x)
		}
	}
	o.FlushInterval, o.ShortLived, o.Logger = -1, true, slog.New(slog.NewTextHandler(&d.log, nil))
	keys, err := o.New(d.rows)
	if err != nil {
		d.Fatal(err)
	}
	return keys
}

func (d *deployment) exec(statement string) {
	d.Helper()
	if _, err := d.db.ExecContext(d.Context(), statement); err != nil {
		d.Fatalf("%s: %v", statement, err)
	}
}

// value returns a column of the only row of a query; "NULL" for NULL.
func (d *deployment) value(query string) string {
	d.Helper()
	var v any
	if err := d.db.QueryRowContext(d.Context(), query).Scan(&v); err != nil {
		d.Fatalf("%s: %v", query, err)
	}
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(v)
	}
	return fmt.Sprint(v)
}

func (d *deployment) names(made store.Made) string {
	d.Helper()
	return d.value("SELECT proof_names FROM latchkey_key WHERE id = '" + made.Key.ID + "'")
}

func (d *deployment) create(keys *store.Keys, n store.NewKey) store.Made {
	d.Helper()
	n.Type = store.Secret
	made, err := keys.Create(store.WithActor(d.Context(), "user_1"), n)
	if err != nil {
		d.Fatal(err)
	}
	return made
}

// Rows are edited by SQL as somebody without the pepper would; then every verb that runs is asked.
func TestRequirement33ExtensionsInTheDatabase(t *testing.T) {
	eachDatabase(t, func(d *deployment) {
		ctx := d.Context()
		keys := d.program(store.Options{Sealer: sealer(d.T, pepper1)}, trial)
		may := map[string]string{"may": "a"}
		tried := map[string]bool{}
		columns := []string{"metadata", "proof_names", "proof", "pepper_id", "created_by"}
		swap := func(from store.Made, columns ...string) string {
			var set []string
			for _, c := range columns {
				set = append(set, fmt.Sprintf("%s = (SELECT o.%[1]s FROM latchkey_key o WHERE o.id = '%s')", c, from.Key.ID))
			}
			return strings.Join(set, ", ")
		}
		level1 := d.create(d.program(store.Options{Sealer: sealer(d.T, pepper1)}), store.NewKey{})
		d.exec("UPDATE latchkey_key SET proof_names = NULL WHERE id = '" + level1.Key.ID + "'")
		func() { // sealed as it was while a program of level 1 was running
			r, err := d.rows.Get(ctx, level1.Key.ID)
			if err != nil {
				d.Fatal(err)
			}
			sealer(d.T, pepper1).Seal(r)
			if _, err := d.rows.Change(ctx, store.Actor{}, func(tx store.Tx) error { return tx.Update(ctx, r, store.Event{Kind: store.Updated}) }); err != nil {
				d.Fatal(err)
			}
		}()
		plain, powered, other := d.create(keys, store.NewKey{}), d.create(keys, store.NewKey{Metadata: may}),
			d.create(keys, store.NewKey{Metadata: map[string]string{"may": "b"}})
		if got := []string{d.names(level1), d.names(plain), d.names(powered)}; !slices.Equal(got, []string{"NULL", `["created_by"]`, `["created_by","trial"]`}) {
			d.Fatalf("names %q", got)
		}
		d.exec("CREATE TABLE kept AS SELECT * FROM latchkey_key")
		for _, test := range []struct {
			of   store.Made
			set  string
			want error
		}{
			{powered, "proof_names = NULL", store.ErrForged},
			{powered, "proof_names = 'null'", store.ErrForged},
			{powered, "proof_names = '[]'", store.ErrForged},
			{powered, `proof_names = '["created_by"]'`, store.ErrForged},
			{powered, `proof_names = '["trial"]'`, store.ErrForged},
			{powered, `proof_names = '["trial","created_by"]'`, store.ErrForged},
			{powered, `proof_names = '["created_by","trial","trial"]'`, store.ErrForged},
			{powered, `proof_names = '["created_by", "trial"]'`, nil}, // the same list
			{powered, `proof_names = '["created_by","trial","later"]'`, store.ErrNewerRecord},
			{powered, "proof_names = ''", store.ErrNewerRecord},
			{powered, "proof_names = '{}'", store.ErrNewerRecord},
			{powered, `proof_names = '[1]'`, store.ErrNewerRecord},
			{powered, `proof_names = '"created_by"'`, store.ErrNewerRecord},
			{powered, "metadata = NULL", store.ErrForged},
			{powered, "metadata = 'null'", store.ErrForged},
			{powered, "metadata = '{}'", store.ErrForged},
			{powered, `metadata = '{"may":"b"}'`, store.ErrForged},
			{powered, `metadata = NULL, proof_names = '["created_by"]'`, store.ErrForged},
			{powered, `metadata = 'null', proof_names = '["created_by"]'`, store.ErrForged},
			{powered, `metadata = '{}', proof_names = '["created_by"]'`, store.ErrForged},
			{powered, "metadata = NULL, proof_names = NULL", store.ErrForged},
			{powered, "created_by = ''", store.ErrForged},
			{powered, "created_by = '', proof_names = '[\"trial\"]'", store.ErrForged},
			{powered, swap(other, "metadata"), store.ErrForged},
			{powered, swap(other, "metadata", "proof"), store.ErrForged},
			{powered, swap(other, columns...), store.ErrForged},
			{powered, swap(plain, "proof_names"), store.ErrForged},
			{powered, swap(plain, columns...), store.ErrForged},
			{powered, swap(level1, columns...), store.ErrForged},
			{plain, `metadata = '{"may":"a"}'`, store.ErrForged},
			{plain, `metadata = '{}'`, store.ErrForged},
			{plain, "metadata = 'null'", nil}, // another spelling of NULL gives nothing
			{plain, `metadata = '{"may":"a"}', proof_names = '["created_by","trial"]'`, store.ErrForged},
			{plain, `proof_names = '["created_by","trial"]'`, store.ErrForged},
			{plain, "proof_names = NULL", store.ErrForged},
			{plain, "proof_names = NULL, created_by = 'user_2'", store.ErrForged},
			{plain, "created_by = 'user_2'", store.ErrForged},
			{plain, swap(powered, columns...), store.ErrForged},
			{plain, swap(level1, "proof_names", "proof"), store.ErrForged},
			{plain, `proof_names = '["later"]'`, store.ErrNewerRecord},
			{level1, `proof_names = '["created_by"]'`, store.ErrForged},
			{level1, `proof_names = '[]'`, store.ErrForged},
			{level1, `proof_names = 'null'`, nil},
			{level1, `metadata = '{"may":"a"}'`, store.ErrForged},
			{level1, `metadata = '{"may":"a"}', proof_names = '["created_by","trial"]'`, store.ErrForged},
			{level1, "created_by = 'user_2'", nil}, // not covered yet
			{level1, swap(plain, "proof_names", "proof"), store.ErrForged},
		} {
			id := test.of.Key.ID
			d.exec("UPDATE latchkey_key SET " + test.set + " WHERE id = '" + id + "'")
			alarms := keys.Stats().Alarms
			_, err := keys.Authenticate(ctx, test.of.Token.Reveal())
			if !errors.Is(err, test.want) {
				d.Errorf("%s: %v, want %v", test.set, err, test.want)
			}
			if alarm := keys.Stats().Alarms != alarms; alarm != (test.want == store.ErrForged) {
				d.Errorf("%s: alarm %v", test.set, alarm)
			}
			if kind := fmt.Sprint(id, test.want); !tried[kind] { // the verbs see no more than this
				tried[kind] = true
				d.verbs(keys, id, test.set, test.want)
			}
			d.exec("DELETE FROM latchkey_key WHERE id = '" + id + "'")
			d.exec("INSERT INTO latchkey_key SELECT * FROM kept WHERE id = '" + id + "'")
			if _, err := keys.Authenticate(ctx, test.of.Token.Reveal()); err != nil {
				d.Fatalf("put back: %v", err)
			}
		}
	})
}

// verbs asks every verb to change a key that is forged, sealed by a newer program, or genuine.
func (d *deployment) verbs(keys *store.Keys, id, what string, state error) {
	d.Helper()
	ctx := d.Context()
	row := func() string {
		r, err := d.rows.Get(ctx, id)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%+v %+v", r.Key, r.Evidence.Value())
	}
	before := row()
	refused := func(verb string, err error) {
		d.Helper()
		switch {
		case state == nil && err != nil,
			state == store.ErrForged && (!errors.Is(err, store.ErrForged) || errors.Is(err, store.ErrUnavailable)),
			state == store.ErrNewerRecord && (!errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrNewerRecord)):
			d.Errorf("%s: %s: %v, want %v", what, verb, err, state)
		}
		if state != nil && row() != before {
			d.Errorf("%s: %s changed the row: %s, was %s", what, verb, row(), before)
		}
	}
	update := func(p store.Patch) error { _, err := keys.Update(ctx, id, p); return err }
	later := time.Now().Add(time.Hour)
	refused("scopes", update(store.Patch{Scopes: &[]string{"a"}}))
	refused("a rate limit", update(store.Patch{RateLimit: &store.RateLimit{Requests: 5, Window: time.Minute}}))
	refused("an end", update(store.Patch{ExpiresAt: &later}))
	_, err := keys.UpdateAll(ctx, store.Filter{IDs: []string{id}}, store.Patch{Scopes: &[]string{"b"}})
	refused("a change of many", err)
	if state != nil {
		_, err = keys.Roll(ctx, id, store.RollOptions{})
		refused("a roll", err)
	}
	if listed, err := keys.List(ctx, store.Query{Filter: store.Filter{IDs: []string{id}}}); err != nil || len(listed) != 1 {
		d.Errorf("%s: list: %v, %v", what, listed, err)
	}
	if _, err := keys.Get(ctx, id); err != nil {
		d.Errorf("%s: get: %v", what, err)
	}
	if state == store.ErrNewerRecord {
		refused("a title", update(store.Patch{Title: ptr("x")}))
		_, err = keys.Revoke(ctx, id)
		refused("a revoke", err)
		_, err = keys.RevokeAll(ctx, store.Filter{IDs: []string{id}}, time.Time{})
		refused("a revoke of all", err)
		refused("a delete", keys.Delete(ctx, id))
		_, _, err = keys.Reseal(ctx, true, nil)
		refused("a reseal", err)
		return
	}
	if err := update(store.Patch{Title: ptr("renamed")}); err != nil {
		d.Errorf("%s: a title: %v", what, err)
	}
	if _, err := keys.Revoke(ctx, id); err != nil {
		d.Errorf("%s: a revoke: %v", what, err)
	}
	if r, err := d.rows.Get(ctx, id); err != nil || !r.Key.Revoked || (state == nil) != (sealer(d.T, pepper1).With(trial).Verify(r) == nil) {
		d.Errorf("%s: revoked: %+v, %v; it must not have become genuine, or a forgery", what, r.Key, err)
	}
	if err := keys.Delete(ctx, id); err != nil {
		d.Errorf("%s: a delete: %v", what, err)
	}
}

// A key with an attribute that the program does not know: 503, no alarm, no change, whether it has
// peppers or not.
func TestRequirement33AnUnknownExtensionIsNoAnswer(t *testing.T) {
	eachDatabase(t, func(d *deployment) {
		s := sealer(d.T, pepper1)
		newer := d.program(store.Options{Sealer: s}, trial)
		made := d.create(newer, store.NewKey{Metadata: map[string]string{"may": "a"}})
		for name, o := range map[string]store.Options{"with peppers": {Sealer: s}, "without": {}} {
			older := d.program(o)
			d.log.Reset()
			_, err := older.Authenticate(d.Context(), made.Token.Reveal())
			if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrNewerRecord) || errors.Is(err, store.ErrUnauthenticated) {
				d.Errorf("%s: %v", name, err)
			}
			if o.Sealer != nil {
				d.verbs(older, made.Key.ID, name, store.ErrNewerRecord)
			}
			if strings.Contains(d.log.String(), "level=ERROR") || older.Stats().Alarms != 0 {
				d.Errorf("%s: an alarm: %s", name, d.log.String())
			}
		}
		if _, err := newer.Revoke(d.Context(), made.Key.ID); err != nil {
			d.Error(err)
		}
		if err := d.program(store.Options{Sealer: s}).Delete(d.Context(), made.Key.ID); !errors.Is(err, store.ErrNewerRecord) {
			d.Errorf("a delete of a revoked key: %v", err)
		}
	})
}

// While a program is running that knows less, nothing is written that it would misread.
func TestRequirement33TheLevelRisesPastNoProgram(t *testing.T) {
	eachDatabase(t, func(d *deployment) {
		ctx := d.Context()
		state := func() string {
			return d.value("SELECT level FROM latchkey_feed") + " " + d.value("SELECT min_compatible FROM latchkey_version")
		}
		if err := d.rows.Join(ctx, store.Member{ID: "the-old-one", Lease: time.Second, TTL: time.Hour}); err != nil {
			d.Fatal(err)
		}
		d.exec("UPDATE latchkey_member SET level = NULL") // as level 1 writes it
		power := map[string]string{"may": "a"}
		s := sealer(d.T, pepper1)
		sealed, plain := d.program(store.Options{Sealer: s}, trial), d.program(store.Options{}, trial)
		early := d.create(sealed, store.NewKey{})
		if got := d.names(early); got != "NULL" {
			d.Errorf("created_by is covered beside an old program: %s", got)
		}
		for name, keys := range map[string]*store.Keys{"with peppers": sealed, "without": plain} {
			set := store.Patch{Metadata: &power}
			_, created := keys.Create(ctx, store.NewKey{Type: store.Secret, Metadata: power})
			_, updated := keys.Update(ctx, early.Key.ID, set)
			_, imported, err := keys.ImportToken(ctx, "pk_"+strings.Repeat("ab", 32), store.NewKey{Metadata: power})
			for what, err := range map[string]error{"create": created, "update": updated, "import": err} {
				if !errors.Is(err, store.ErrNotAllowed) || !strings.Contains(err.Error(), "the-old-one") || !strings.Contains(err.Error(), "trial") {
					d.Errorf("%s: %s: %v, want a refusal that names the instance", name, what, err)
				}
			}
			if imported || state() != "NULL 1" {
				d.Errorf("%s: imported %v, level and min_compatible %s", name, imported, state())
			}
		}
		if key, err := sealed.Update(ctx, early.Key.ID, store.Patch{Scopes: &[]string{"a"}}); err != nil || len(key.Scopes) != 1 || d.names(early) != "NULL" {
			d.Errorf("what level 1 knows: %v, names %s", err, d.names(early))
		}
		if err := d.rows.Leave(ctx, "the-old-one"); err != nil {
			d.Fatal(err)
		}
		d.create(plain, store.NewKey{}) // has no proof and raises nothing
		if state() != "NULL 1" {
			d.Errorf("a key without a proof raised the level: %s", state())
		}
		if _, err := plain.Create(ctx, store.NewKey{Type: store.Secret, Metadata: power}); err != nil || state() != "2 2" {
			d.Errorf("without an old program: %v, level and min_compatible %s", err, state())
		}
		if made := d.create(sealed, store.NewKey{Metadata: power}); d.names(made) != `["created_by","trial"]` {
			d.Errorf("names %s", d.names(made))
		}
		if _, err := sealed.Update(ctx, early.Key.ID, store.Patch{Title: ptr("x")}); err != nil || d.names(early) != `["created_by"]` {
			d.Errorf("the next seal of an early key: %v, names %s", err, d.names(early))
		}
		// A backup from before: what is covered stays covered, and a revocation is refused by
		// nobody.
		d.exec("UPDATE latchkey_feed SET level = NULL")
		if err := d.rows.Join(ctx, store.Member{ID: "back", Level: 1, TTL: time.Hour}); err != nil {
			d.Fatal(err)
		}
		if _, err := sealed.Revoke(ctx, early.Key.ID); err != nil || d.names(early) != `["created_by"]` {
			d.Errorf("a revoke beside an old program: %v, names %s", err, d.names(early))
		}
	})
}

// A program that knows less than the store can neither open it nor go on.
func TestRequirement33AnOlderProgramIsKeptOut(t *testing.T) {
	eachDatabase(t, func(d *deployment) {
		ctx := d.Context()
		keys := d.program(store.Options{Sealer: sealer(d.T, pepper1)})
		made := d.create(keys, store.NewKey{})
		if got := d.value("SELECT level FROM latchkey_feed"); got != "2" {
			d.Fatalf("level %s", got)
		}
		suspended := d.again()
		if err := suspended.Join(ctx, store.Member{ID: "suspended", Level: 1, TTL: time.Hour}); !errors.Is(err, store.ErrSchemaTooNew) || !errors.Is(err, store.ErrUnavailable) {
			d.Errorf("join: %v", err)
		}
		if got := d.value("SELECT count(*) FROM latchkey_member"); got != "0" {
			d.Errorf("%s members", got)
		}
		asks := func(rows dburl.Store) map[string]error {
			_, lookup := rows.Lookup(ctx, made.Key.LookupID, "")
			_, legacy := rows.Lookup(ctx, made.Key.LookupID, "sk_abc***def")
			_, feed := rows.Feed(ctx, 0, 1)
			_, change := rows.Change(ctx, store.Actor{}, func(tx store.Tx) error { return tx.Append(ctx, nil, store.Event{Kind: store.Imported}) })
			return map[string]error{"lookup": lookup, "legacy lookup": legacy, "feed": feed, "change": change}
		}
		for what, err := range asks(suspended) {
			if !errors.Is(err, store.ErrSchemaTooNew) || !errors.Is(err, store.ErrUnavailable) {
				d.Errorf("after it could not join: %s: %v", what, err)
			}
		}
		if !errors.Is(suspended.Err(), store.ErrSchemaTooNew) {
			d.Errorf("Err: %v", suspended.Err())
		}
		for what, err := range asks(d.rows) {
			if err != nil {
				d.Errorf("the newer program: %s: %v", what, err)
			}
		}
		head := d.value("SELECT head FROM latchkey_feed")
		d.exec("UPDATE latchkey_feed SET level = 3") // by a program that is newer than this one
		for _, first := range []string{"lookup", "legacy lookup", "feed", "change"} {
			for what, err := range asks(d.again()) {
				if !errors.Is(err, store.ErrSchemaTooNew) || !errors.Is(err, store.ErrUnavailable) {
					d.Errorf("%s: %s: %v", first, what, err)
				}
			}
		}
		if got := d.value("SELECT head FROM latchkey_feed"); got != head {
			d.Errorf("head %s, was %s", got, head)
		}
	})
}

// A process without a cache is a member too, for as long as it runs.
func TestRequirement33AProcessWithoutACacheIsAMember(t *testing.T) {
	eachDatabase(t, func(d *deployment) {
		ctx := d.Context()
		count := func() string { return d.value("SELECT count(*) FROM latchkey_member WHERE level = 2 AND lease = 0") }
		keys, err := store.Options{FlushInterval: -1, Logger: slog.New(slog.DiscardHandler)}.New(d.again())
		if err != nil {
			d.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); count() != "1"; time.Sleep(2 * time.Millisecond) {
			if time.Now().After(deadline) {
				d.Fatalf("%s members", count())
			}
		}
		if _, err := d.rows.Change(ctx, store.Actor{}, func(tx store.Tx) error {
			if lower, err := tx.Raise(ctx, 2); lower != nil || err != nil {
				d.Errorf("%+v, %v", lower, err)
			}
			return nil
		}); err != nil {
			d.Error(err)
		}
		if err := keys.Close(ctx); err != nil {
			d.Error(err)
		}
		if got := count(); got != "0" {
			d.Errorf("%s members after Close", got)
		}
	})
}
