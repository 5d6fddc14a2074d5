"""Where a supplier files a symbol file: which paths to request, in which case.

In comes a module; out come the paths to request, in order. `layout` has the two ways of filing,
`options` the setting that selects them, `listings` the cached directory listings that make a search
regardless of case affordable.

    /srv/symbols                 xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym
    /srv/symbols#casing=lower    xul.pdb/44e4ec8c2f41492b9369d6b9a059577c2/xul.sym

Rule: no part of a path contains a separator or is `..`, because `ModuleId` and `AskedModule` refuse
such names.
"""
