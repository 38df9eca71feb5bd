// Oracle for server-side apply: runs sequences of apply and update through Kubernetes'
// structured-merge-diff library and prints what each step made of object, managers and conflicts.
//
// One sequence per line on stdin: [{"op":"apply"|"update","manager":"a","force":false,"object":{…}}, …]; the
// answer is one line per sequence: [{"object":…,"managers":{"a":FieldsV1},"conflicts":{"b":FieldsV1},"error":""}].
// The first argument is the schema file. Builds in GOPATH mode with Debian's
// golang-k8s-sigs-structured-merge-diff-dev (see sequence.test.ts).
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/structured-merge-diff/fieldpath"
	"sigs.k8s.io/structured-merge-diff/merge"
	"sigs.k8s.io/structured-merge-diff/typed"
)

type step struct {
	Op      string      `json:"op"`
	Manager string      `json:"manager"`
	Force   bool        `json:"force"`
	Object  interface{} `json:"object"`
}

type result struct {
	Object    interface{}                `json:"object"`
	Managers  map[string]json.RawMessage `json:"managers"`
	Conflicts map[string]json.RawMessage `json:"conflicts,omitempty"`
	Error     string                     `json:"error,omitempty"`
}

type sameVersion struct{}

func (sameVersion) Convert(v *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return v, nil
}
func (sameVersion) IsMissingVersionError(error) bool { return false }

func plain(v interface{}) interface{} {
	switch t := v.(type) {
	case map[interface{}]interface{}:
		out := map[string]interface{}{}
		for key, value := range t {
			out[fmt.Sprint(key)] = plain(value)
		}
		return out
	case map[string]interface{}:
		out := map[string]interface{}{}
		for key, value := range t {
			out[key] = plain(value)
		}
		return out
	case []interface{}:
		out := make([]interface{}, len(t))
		for i := range t {
			out[i] = plain(t[i])
		}
		return out
	}
	return v
}

func fields(set *fieldpath.Set) json.RawMessage {
	text, err := set.ToJSON()
	if err != nil {
		panic(err)
	}
	return text
}

func run(parser typed.ParseableType, steps []step) []result {
	updater := &merge.Updater{Converter: sameVersion{}}
	live, err := parser.FromUnstructured(map[string]interface{}{})
	if err != nil {
		panic(err)
	}
	managers := fieldpath.ManagedFields{}
	results := []result{}
	for _, s := range steps {
		r := result{}
		object, err := parser.FromUnstructured(s.Object)
		if err == nil {
			var next *typed.TypedValue
			var owners fieldpath.ManagedFields
			if s.Op == "apply" {
				next, owners, err = updater.Apply(live, object, "v1", managers.Copy(), s.Manager, s.Force)
			} else {
				next, owners, err = updater.Update(live, object, "v1", managers.Copy(), s.Manager)
			}
			if err == nil {
				managers = owners
				if next != nil {
					live = next
				}
			}
		}
		if conflicts, ok := err.(merge.Conflicts); ok {
			sets := map[string]*fieldpath.Set{}
			for _, c := range conflicts {
				if sets[c.Manager] == nil {
					sets[c.Manager] = fieldpath.NewSet()
				}
				sets[c.Manager].Insert(c.Path)
			}
			r.Conflicts = map[string]json.RawMessage{}
			for manager, set := range sets {
				r.Conflicts[manager] = fields(set)
			}
		} else if err != nil {
			r.Error = err.Error()
		}
		r.Object = plain(live.AsValue().Unstructured())
		r.Managers = map[string]json.RawMessage{}
		for manager, set := range managers {
			r.Managers[manager] = fields(set.Set())
		}
		results = append(results, r)
	}
	return results
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	parser, err := typed.NewParser(typed.YAMLObject(text))
	if err != nil {
		panic(err)
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		steps := []step{}
		if err := json.Unmarshal(in.Bytes(), &steps); err != nil {
			panic(err)
		}
		if err := out.Encode(run(parser.Type("root"), steps)); err != nil {
			panic(err)
		}
	}
}
