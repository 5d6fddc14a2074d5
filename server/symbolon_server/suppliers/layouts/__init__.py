"""Where a supplier files a module: which paths to request, in which case.

In comes a module; out come its candidates, in order. `layout` has the paths of symbol files,
`native`, `symbol_servers` and `by_id` those of native files, `named` all of them by name, `options`
the settings that select them, `listings` the cached directory listings that make a search
regardless of case affordable.

    /srv/symbols                     xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym
    /srv/symbols#casing=lower        xul.pdb/44e4ec8c2f41492b9369d6b9a059577c2/xul.sym
    /usr/lib/debug/.build-id#layout=native    df/b85de42daffd09640c8fe377d572de3e168920.debug

Rule: no part of a path contains a separator or is `..`, because `ModuleId` and `AskedModule` refuse
such names.
"""
